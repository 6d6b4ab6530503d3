import ArgumentParser
import EngineClient

/// The engine that this run of the program talks to.
enum Session {
    @TaskLocal static var address = EngineAddress.standard

    static var engine: EngineClient { EngineClient(address: address) }
}

/// A verb that talks to an engine.
protocol EngineCommand: AsyncParsableCommand {}

extension EngineCommand {
    var engine: EngineClient { Session.engine }

    /// Does the same with each of several objects: every failure is printed, the exit code is 1 if there was one.
    func each(_ names: [String], _ body: (String) async throws -> Void) async throws {
        var hasFailed = false
        for name in names {
            do {
                try await body(name)
            } catch let error as EngineClientError where error.status > 0 {
                hasFailed = true
                Output.error("Error response from daemon: \(error.message)")
            }
        }
        if hasFailed { throw CommandExit(code: 1) }
    }
}

/// Reading an object, changing it and writing it back.
enum ReadChangeWrite {
    /// How often it is done at most.
    static let attempts = 5

    /// Does `body` again where somebody else changed the object between its read and its write.
    static func run<Result>(_ body: () async throws -> Result) async throws -> Result {
        for _ in 1..<attempts {
            do {
                return try await body()
            } catch let error as EngineClientError where error.message.contains("update out of sequence") {
                continue
            }
        }
        return try await body()
    }
}
