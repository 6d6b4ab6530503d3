import Fuzzing
import RaftCore
import TestSupport
import Testing

@testable import RaftNode

/// A snapshot's chunks, broken: messages with their length before them, as they come one after the other.
@Suite struct SnapshotFuzzTests {
    private static func framed(_ chunks: [SnapshotChunk]) -> [UInt8] {
        chunks.flatMap { chunk in
            let bytes = RaftMessage(from: 2, to: 1, term: 3, body: .snapshotChunk(chunk)).encoded()
            return [UInt8(bytes.count >> 8), UInt8(bytes.count & 255)] + bytes
        }
    }

    private static func chunks(of input: [UInt8]) -> [SnapshotChunk] {
        var chunks: [SnapshotChunk] = []
        var rest = input[...]
        while rest.count >= 2 {
            let count = Int(rest[rest.startIndex]) << 8 | Int(rest[rest.startIndex + 1])
            let bytes = Array(rest.dropFirst(2).prefix(count))
            rest = rest.dropFirst(2 + count)
            guard let message = try? RaftMessage(decoding: bytes), case .snapshotChunk(let chunk) = message.body else {
                continue
            }
            chunks.append(chunk)
        }
        return chunks
    }

    /// Only what was sent becomes a snapshot.
    @Test func chunks() throws {
        let folder = try TemporaryDirectory()
        let content = (0..<300).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        var checksum = SnapshotChecksum()
        checksum.add(content)
        let member = RaftMember(id: 2, nodeID: "n2", address: "192.0.2.2:2377")
        let metadata = SnapshotMetadata(
            index: 9, term: 3, membership: Membership([.init(member: member, isVoter: true)]))
        func chunks(_ lengths: Int...) -> [SnapshotChunk] {
            var offset = 0
            return lengths.map { length in
                defer { offset += length }
                return SnapshotChunk(
                    metadata: metadata, byteCount: UInt64(content.count), checksum: checksum.value,
                    offset: UInt64(offset), bytes: Array(content[offset..<offset + length]))
            }
        }
        let examples = [chunks(300), chunks(100, 200), chunks(0, 150, 149, 1)].map(Self.framed)
        let report = Fuzzer("snapshot-chunks").run(examples) { input in
            do { return try Self.receive(input, in: folder.path) } catch { return .wrong("\(error)") }
        }
        #expect(report.finding == nil)
    }

    private static func receive(_ input: [UInt8], in directory: String) throws -> Fuzzer.Verdict {
        var receiver: SnapshotReceiver?
        var verdict = Fuzzer.Verdict.refused
        for chunk in chunks(of: input) {
            if receiver?.arrival.isAbout(chunk, from: 2) != true {
                guard chunk.offset == 0 else { continue }
                receiver = try SnapshotReceiver(chunk, from: 2, directory: directory, on: nil)
            }
            guard let current = receiver else { continue }
            switch try current.add(chunk) {
            case .partial: break
            case .damaged: receiver = nil
            case .whole(let file):
                receiver = nil
                guard file.metadata == chunk.metadata, file.isWhole(in: directory, on: nil) else {
                    return .wrong("another file")
                }
                verdict = .taken
            }
            guard current.arrival.received <= chunk.byteCount else { return .wrong("more than there is") }
        }
        return verdict
    }
}
