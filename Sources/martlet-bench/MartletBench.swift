import ArgumentParser
import Benchmarks
import Glibc
import JSON
import Logging

/// What `scripts/bench` runs of Martlet's own code: one measurement in a process, its findings as a line of JSON.
@main
struct MartletBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet-bench", abstract: "Single measurements for scripts/bench.",
        subcommands: [
            StoreMake.self, StoreStart.self, StoreSnapshot.self, StoreRestore.self, Watch.self, Sessions.self,
            Crowd.self,
        ])

    static func print(_ findings: JSONValue) {
        Swift.print(String(decoding: findings.serialized(), as: UTF8.self))
    }

    static var logger: Logger {
        var logger = Logger(label: "martlet-bench") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .warning
        return logger
    }
}

struct StoreMake: ParsableCommand {
    @Argument(help: "An empty directory.") var directory: String
    @Option var nodes = 5_000
    @Option var services = 2_000
    @Option var tasks = 150_000

    func validate() throws {
        guard nodes > 0, services > 0, services <= tasks, tasks <= 300 * services else {
            throw ValidationError("--nodes and --services: at least 1; --tasks: 1 to 300 for each service")
        }
    }

    func run() throws {
        let bench = StoreBench(directory: directory, logger: MartletBench.logger)
        MartletBench.print(try bench.make(.init(nodes: nodes, services: services, tasks: tasks)))
    }
}

struct StoreStart: AsyncParsableCommand {
    @Argument(help: "What store-make has made.") var directory: String

    func run() async throws {
        MartletBench.print(try await StoreBench(directory: directory, logger: MartletBench.logger).start())
    }
}

struct StoreSnapshot: AsyncParsableCommand {
    @Argument(help: "What store-make has made.") var directory: String
    @Argument(help: "The snapshot's file.") var path: String
    @Option(help: "Who write at once.") var writers = 8
    @Option(help: "How long without a snapshot.") var seconds = 5.0

    func validate() throws {
        guard (1...1_000).contains(writers), (0.1...600).contains(seconds) else {
            throw ValidationError("--writers is of 1 to 1000, --seconds of 0.1 to 600")
        }
    }

    func run() async throws {
        let bench = StoreBench(directory: directory, logger: MartletBench.logger)
        MartletBench.print(try await bench.snapshot(to: path, writers: writers, seconds: seconds))
    }
}

struct StoreRestore: AsyncParsableCommand {
    @Argument(help: "An empty directory.") var directory: String
    @Argument(help: "The snapshot's file.") var path: String

    func run() async throws {
        let bench = StoreBench(directory: directory, logger: MartletBench.logger)
        MartletBench.print(try await bench.restore(from: path))
    }
}

struct Sessions: ParsableCommand {
    @Option var nodes = 5_000
    @Option var services = 2_000
    @Option var tasks = 20_000
    @Option(help: "How often each kind of change happens.") var rounds = 20

    func validate() throws {
        guard nodes > 0, services > 0, services <= tasks, tasks <= 300 * services, (1...200).contains(rounds) else {
            throw ValidationError(
                "--nodes and --services: at least 1; --tasks: 1 to 300 for each service; --rounds: 1 to 200")
        }
    }

    func run() throws {
        var bench = SessionBench(.init(nodes: nodes, services: services, tasks: tasks))
        MartletBench.print(try bench.run(rounds: rounds))
    }
}

struct Watch: AsyncParsableCommand {
    @Argument(help: "An empty directory.") var directory: String
    @Option(
        help: "own: each watch is about a task of its own. all: all are about every task.",
        transform: { text in
            guard let pattern = WatchBench.Pattern(rawValue: text) else { throw ValidationError("own or all") }
            return pattern
        })
    var pattern: WatchBench.Pattern
    @Option var watchers = 1_000
    @Option(help: "Who take for the watches.") var consumers = 4
    @Option(help: "Of tasks.") var changes = 100_000

    func validate() throws {
        guard (1...1_000_000).contains(watchers), (1...10_000).contains(consumers), changes > 0 else {
            throw ValidationError("--watchers is of 1 to 1000000, --consumers of 1 to 10000, --changes at least 1")
        }
    }

    func run() async throws {
        let bench = WatchBench(directory: directory, logger: MartletBench.logger)
        MartletBench.print(
            try await bench.run(pattern, watchers: watchers, consumers: consumers, changes: changes))
    }
}

struct Crowd: AsyncParsableCommand {
    @Argument(help: "A manager's address and port.") var manager: String
    @Argument(help: "A worker's join token.") var token: String
    @Option(help: "Hosts that have sessions.") var count = 5_000

    func validate() throws {
        guard (1...50_000).contains(count) else { throw ValidationError("--count is of 1 to 50000") }
    }

    func run() async throws {
        guard let crowd = HostCrowd(manager: manager, count: count, logger: MartletBench.logger) else {
            throw ValidationError("\(manager) is no address of a manager")
        }
        try await crowd.run(token: token) { status in
            MartletBench.print(status)
            fflush(nil)
        }
    }
}
