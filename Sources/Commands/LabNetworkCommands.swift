import ArgumentParser
import Lab

/// `martlet lab cut A B`.
struct LabCutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cut", abstract: "Cuts two hosts off from each other, both ways. Either may be \"underlay\".")

    @OptionGroup var choice: LabChoice
    @Flag(name: .long, help: "Drop only what the first sends to the second, both of them hosts.")
    var oneWay = false
    @Argument var first: String
    @Argument var second: String

    func run() async throws {
        let lab = try choice.find()
        if oneWay { try await lab.cut(from: first, to: second) } else { try await lab.cut(first, second) }
    }
}

/// `martlet lab mend [A B]`.
struct LabMendCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mend", abstract: "Ends the partition between two hosts, or every one.")

    @OptionGroup var choice: LabChoice
    @Argument var hosts: [String] = []

    func validate() throws {
        guard hosts.isEmpty || hosts.count == 2 else { throw ValidationError("name two hosts or none") }
    }

    func run() async throws {
        let lab = try choice.find()
        if hosts.isEmpty {
            try await lab.mend()
        } else {
            try await lab.mend(hosts[0], hosts[1])
        }
    }
}

/// `martlet lab forward PORT`.
struct LabForwardCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forward",
        abstract: "Brings a published TCP port to this machine's loopback, until the lab is down.")

    @OptionGroup var choice: LabChoice
    @Flag(name: .long, help: "End the forwarding of a port of this machine.")
    var end = false
    @Argument(help: "PORT, or LOCAL:PORT for another port of this machine.")
    var port: String

    func run() async throws {
        let parts = port.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
        guard (1...2).contains(parts.count), let target = parts.last ?? nil, let local = parts[0] else {
            throw ValidationError("\"\(port)\" is no port: write PORT or LOCAL:PORT")
        }
        let lab = try choice.find()
        if end { return try await lab.endForward(localPort: local) }
        let bound = try await lab.forward(target, localPort: local)
        print("127.0.0.1:\(bound) leads to port \(target) of lab \(lab.name)")
    }
}
