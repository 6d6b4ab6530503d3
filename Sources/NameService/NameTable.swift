import NetworkModel
import Values

/// The picture that is answered by, and the answers.
struct NameTable: Sendable {
    private(set) var picture: DNSPicture
    private var sandboxes: [String: SandboxNames]
    /// Turns the order of several addresses from answer to answer.
    private var rotation = 0

    init(_ picture: DNSPicture = DNSPicture(revision: PlanRevision(index: 0))) {
        self.picture = picture
        sandboxes = Dictionary(picture.sandboxes.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
    }

    /// What to do with a question.
    enum Outcome: Hashable {
        case reply([UInt8])
        /// Ask these servers the same.
        case forward(DNSQuery, [IPAddress])
        case ignore
    }

    mutating func answer(_ message: ArraySlice<UInt8>, from sandbox: String, overTCP isStream: Bool) -> Outcome {
        let query: DNSQuery
        do { query = try DNSQuery(parsing: message) } catch {
            switch error {
            case .ignored: return .ignore
            case .malformed(let id): return .reply(DNSResponse.refusal(.malformed, id: id))
            case .notImplemented(let id): return .reply(DNSResponse.refusal(.notImplemented, id: id))
            }
        }
        func reply(_ code: DNSResponse.Code, _ records: [DNSResponse.Record] = []) -> Outcome {
            .reply(DNSResponse(query: query, code: code, records: records).wire(overTCP: isStream))
        }
        if let version = query.extended?.version, version != 0 { return reply(.badVersion) }
        guard let names = sandboxes[sandbox] else { return reply(.serverFailure) }
        let isInternet = query.recordClass == DNSResponse.classInternet || query.recordClass == DNSResponse.classAny
        guard isInternet, let text = query.name.text else {
            return names.upstreamServers.isEmpty ? reply(.nameError) : .forward(query, names.upstreamServers)
        }
        rotation &+= 1
        let question = DNSQuestion(name: text, kind: Self.kind(query.type))
        switch picture.resolve(question, in: names, rotation: rotation) {
        case .addresses(let addresses): return reply(.success, addresses.map { .address($0) })
        case .pointer(let name): return reply(.success, DNSName(name).map { [.pointer($0)] } ?? [])
        case .forward(let servers): return .forward(query, servers)
        case .notFound: return reply(.nameError)
        }
    }

    private static func kind(_ type: UInt16) -> DNSQuestion.Kind {
        switch type {
        case DNSResponse.typeA: .v4
        case DNSResponse.typeAAAA: .v6
        case DNSResponse.typePTR: .pointer
        default: .other
        }
    }
}
