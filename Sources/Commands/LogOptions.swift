import ArgumentParser
import EngineClient
import JSON
import LinuxSystem
import Values

/// Which part of a log is wanted.
struct LogOptions: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Go on printing what is added.") var follow = false
    @Flag(name: .shortAndLong, help: "Print the times.") var timestamps = false
    @Option(name: [.customShort("n", allowingJoined: true), .long], help: "So many lines from the end, or all.")
    var tail = "all"
    @Option(parsing: .unconditional, help: "Since a time, or so long ago (10m).") var since: String?

    func query() throws -> [(String, String)] {
        var query = [("stdout", "1"), ("stderr", "1"), ("tail", tail)]
        guard tail == "all" || Int(tail) != nil else { throw FlagError("--tail", tail, "write a number or all") }
        if follow { query.append(("follow", "1")) }
        if timestamps { query.append(("timestamps", "1")) }
        if let since { query.append(("since", try MomentText.parse(since, flag: "--since"))) }
        return query
    }
}

/// Moments as flags take them: a time, a date, seconds since 1970, or a length of time before now.
enum MomentText {
    /// Seconds since 1970 with a fraction, as the API takes them.
    static func parse(_ text: String, flag: String, now: Timestamp = Clock.now()) throws(FlagError) -> String {
        if Double(text) != nil { return text }
        if let length = GoDuration.nanoseconds(text) { return seconds(now.advanced(byNanoseconds: -length)) }
        for suffix in ["", "Z", ":00Z", "T00:00:00Z"] {
            if let moment = Timestamp(rfc3339: text + suffix) { return seconds(moment) }
        }
        throw FlagError(flag, text, "write a time such as 2025-01-31T12:00:00Z, or a length of time such as 10m")
    }

    private static func seconds(_ moment: Timestamp) -> String {
        let digits = String(moment.nanosecondsSinceEpoch - moment.secondsSinceEpoch * 1_000_000_000)
        return "\(moment.secondsSinceEpoch)." + String(repeating: "0", count: 9 - digits.utf8.count) + digits
    }
}

/// `logs CONTAINER`.
struct LogsCommand: EngineCommand {
    static let configuration = CommandConfiguration(commandName: "logs", abstract: "Prints a container's output.")

    @OptionGroup var options: LogOptions
    @Option(parsing: .unconditional, help: "Until a time, or so long ago.") var until: String?
    @Flag(help: "Accepted for docker's sake.") var details = false
    @Argument(help: "The container.") var container: String

    func run() async throws {
        let name = EngineClient.escape(container)
        var query = try options.query()
        if let until { query.append(("until", try MomentText.parse(until, flag: "--until"))) }
        let isRaw = try await engine.json("GET", "/containers/\(name)/json").at("Config", "Tty")?.bool ?? false
        let response = try await engine.perform("GET", "/containers/\(name)/logs", query: query)
        try await StreamOutput.copy(response, isRaw: isRaw)
    }
}
