/// The options of `martlet-runtime shim`.
struct ShimOptions: Hashable {
    /// The container's own directory of what survives a reboot, and of what does not.
    var dataDirectory: String
    var runDirectory: String
    /// What shims share until the host is restarted.
    var cacheDirectory: String?
    /// The file with a `SleepingShim` that is to go on.
    var resumed: Int32?

    private static let names = ["--data", "--run", "--cache", "--resume"]

    /// - Parameter words: of the command line, after the command.
    init(_ words: [String]) throws(WrongOption) {
        var values: [String: String] = [:]
        var rest = words[...]
        while let name = rest.popFirst() {
            guard Self.names.contains(name) else {
                let known = Self.names.filter { $0 != "--resume" }.joined(separator: ", ")
                throw WrongOption(description: "unknown option \"\(name)\"; there are \(known)")
            }
            guard let value = rest.popFirst() else {
                throw WrongOption(description: "\(name) wants a \(name == "--resume" ? "descriptor" : "directory")")
            }
            values[name] = value
        }
        guard let data = values["--data"] else {
            throw WrongOption(description: "--data is missing: the container's directory of what survives a reboot")
        }
        guard let run = values["--run"] else {
            throw WrongOption(description: "--run is missing: the container's directory of what does not")
        }
        (dataDirectory, runDirectory, cacheDirectory) = (data, run, values["--cache"])
        if let text = values["--resume"] {
            guard let number = Int32(text), number > 2 else {
                throw WrongOption(description: "--resume wants a descriptor")
            }
            resumed = number
        }
    }

    /// The options in words, without `resumed`.
    var words: [String] {
        ["--data", dataDirectory, "--run", runDirectory] + (cacheDirectory.map { ["--cache", $0] } ?? [])
    }

    /// What is wrong with a command line, for whoever typed it.
    struct WrongOption: Error, CustomStringConvertible {
        var description: String
    }
}
