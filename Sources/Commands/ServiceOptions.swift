import ArgumentParser
import JSON

/// The flags that `service create` and `service update` share.
struct ServiceOptions: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Return at once instead of waiting until the service converges.")
    var detach = false
    @Flag(name: .shortAndLong, help: "Say nothing of the progress.") var quiet = false
    @Option(parsing: .unconditional, help: "How many tasks.") var replicas: UInt64?
    @Option(
        name: .customLong("replicas-max-per-node"), parsing: .unconditional,
        help: "Tasks on one node at most; 0 is without limit.")
    var replicasPerNode: UInt64?
    @Option(name: .customLong("max-concurrent"), parsing: .unconditional, help: "Tasks of a job at once.")
    var maxConcurrent: UInt64?
    @Option(parsing: .unconditional, help: "Replaces the image's entrypoint.") var entrypoint: String?
    @Option(parsing: .unconditional, help: "The containers' host name.") var hostname: String?
    @Option(name: [.customShort("u"), .long], parsing: .unconditional, help: "User and group, by name or number.")
    var user: String?
    @Option(name: [.customShort("w"), .customLong("workdir")], parsing: .unconditional, help: "The working directory.")
    var directory: String?
    @Flag(name: [.customShort("t"), .customLong("tty")], inversion: .prefixedNo, help: "Give the tasks a terminal.")
    var tty: Bool?
    @Flag(name: .customLong("read-only"), inversion: .prefixedNo, help: "Mount the root file system read-only.")
    var readOnly: Bool?
    @Flag(inversion: .prefixedNo, help: "Run an init process that reaps and forwards signals.") var `init`: Bool?

    @Option(name: .customLong("limit-cpu"), parsing: .unconditional, help: "Processors at most.") var limitCPU: String?
    @Option(name: .customLong("limit-memory"), parsing: .unconditional, help: "Memory at most.") var limitMemory:
        String?
    @Option(name: .customLong("limit-pids"), parsing: .unconditional, help: "Processes at most.") var limitPids: Int64?
    @Option(name: .customLong("reserve-cpu"), parsing: .unconditional, help: "Processors to set aside.")
    var reserveCPU: String?
    @Option(name: .customLong("reserve-memory"), parsing: .unconditional, help: "Memory to set aside.")
    var reserveMemory: String?

    @Option(name: .customLong("restart-condition"), help: "none, on-failure or any.") var restartCondition: String?
    @Option(name: .customLong("restart-delay"), parsing: .unconditional, help: "Before the next attempt, 5s.")
    var restartDelay: String?
    @Option(name: .customLong("restart-max-attempts"), parsing: .unconditional, help: "Attempts within the window.")
    var restartAttempts: UInt64?
    @Option(name: .customLong("restart-window"), parsing: .unconditional, help: "In which attempts are counted.")
    var restartWindow: String?

    @OptionGroup var health: HealthOptions
    @OptionGroup var update: UpdateOptions
    @OptionGroup var rollback: RollbackOptions

    @Option(name: .customLong("stop-signal"), help: "The signal that asks a task to end.") var stopSignal: String?
    @Option(name: .customLong("stop-grace-period"), parsing: .unconditional, help: "From that signal to SIGKILL, 10s.")
    var stopGrace: String?
    @Option(name: .customLong("endpoint-mode"), help: "vip or dnsrr.") var endpointMode: String?
    @Option(name: .customLong("log-driver"), help: "Where output is kept.") var logDriver: String?
    @Option(name: .customLong("log-opt"), parsing: .unconditionalSingleValue, help: "An option of the log driver.")
    var logOptions: [String] = []
    @Option(name: .customLong("cap-add"), parsing: .unconditionalSingleValue, help: "A further capability.")
    var capabilitiesAdded: [String] = []
    @Option(name: .customLong("cap-drop"), parsing: .unconditionalSingleValue, help: "A capability to take.")
    var capabilitiesDropped: [String] = []
    @Flag(name: .customLong("with-registry-auth"), help: "Accepted for docker's sake.") var withRegistryAuth = false
    @Flag(name: .customLong("no-resolve-image"), help: "Do not pin the image by its digest.") var noResolve = false
    @Option(help: "Accepted for docker's sake.") var isolation: String?
}

/// How an update goes forward.
struct UpdateOptions: ParsableArguments {
    @Option(name: .customLong("update-parallelism"), parsing: .unconditional, help: "Tasks at once; 0 is all.")
    var parallelism: UInt64?
    @Option(name: .customLong("update-delay"), parsing: .unconditional, help: "Between two batches.") var delay: String?
    @Option(name: .customLong("update-monitor"), parsing: .unconditional, help: "How long a new task is watched.")
    var monitor: String?
    @Option(name: .customLong("update-failure-action"), help: "pause, continue or rollback.") var failureAction: String?
    @Option(name: .customLong("update-max-failure-ratio"), parsing: .unconditional, help: "0 to 1.") var ratio: Double?
    @Option(name: .customLong("update-order"), help: "stop-first or start-first.") var order: String?

    var flags: RolloutFlags {
        RolloutFlags(
            prefix: "--update", parallelism: parallelism, delay: delay, monitor: monitor, failureAction: failureAction,
            ratio: ratio, order: order)
    }
}

/// How a rollback goes forward.
struct RollbackOptions: ParsableArguments {
    @Option(name: .customLong("rollback-parallelism"), parsing: .unconditional, help: "Tasks at once; 0 is all.")
    var parallelism: UInt64?
    @Option(name: .customLong("rollback-delay"), parsing: .unconditional, help: "Between two batches.")
    var delay: String?
    @Option(name: .customLong("rollback-monitor"), parsing: .unconditional, help: "How long a task is watched.")
    var monitor: String?
    @Option(name: .customLong("rollback-failure-action"), help: "pause or continue.") var failureAction: String?
    @Option(name: .customLong("rollback-max-failure-ratio"), parsing: .unconditional, help: "0 to 1.")
    var ratio: Double?
    @Option(name: .customLong("rollback-order"), help: "stop-first or start-first.") var order: String?

    var flags: RolloutFlags {
        RolloutFlags(
            prefix: "--rollback", parallelism: parallelism, delay: delay, monitor: monitor,
            failureAction: failureAction, ratio: ratio, order: order)
    }
}

/// The flags of an update or a rollback (Engine API: ServiceSpec, UpdateConfig).
struct RolloutFlags: Equatable {
    var prefix: String
    var parallelism: UInt64?
    var delay: String?
    var monitor: String?
    var failureAction: String?
    var ratio: Double?
    var order: String?

    var isGiven: Bool { self != RolloutFlags(prefix: prefix) }

    /// Laid over what was there before, or over docker's defaults.
    func applied(to previous: JSONValue?) throws -> JSONValue {
        var value =
            previous?.object == nil
            ? [
                "Parallelism": 1, "Delay": 0, "FailureAction": "pause", "Monitor": 5_000_000_000, "MaxFailureRatio": 0,
                "Order": "stop-first",
            ] : previous!
        if let parallelism { value["Parallelism"] = .integer(Int64(clamping: parallelism)) }
        if let delay { value["Delay"] = .integer(try DurationText.parse(delay, flag: prefix + "-delay")) }
        if let monitor { value["Monitor"] = .integer(try DurationText.parse(monitor, flag: prefix + "-monitor")) }
        if let failureAction {
            let known = prefix == "--update" ? ["pause", "continue", "rollback"] : ["pause", "continue"]
            guard known.contains(failureAction) else {
                throw FlagError(prefix + "-failure-action", failureAction, "use \(known.joined(separator: ", "))")
            }
            value["FailureAction"] = .string(failureAction)
        }
        if let ratio {
            guard (0...1).contains(ratio) else {
                throw FlagError(prefix + "-max-failure-ratio", "\(ratio)", "write a number from 0 to 1")
            }
            value["MaxFailureRatio"] = Int64(exactly: ratio).map { .integer($0) } ?? .number(ratio)
        }
        if let order {
            guard ["start-first", "stop-first"].contains(order) else {
                throw FlagError(prefix + "-order", order, "use start-first or stop-first")
            }
            value["Order"] = .string(order)
        }
        return value
    }
}
