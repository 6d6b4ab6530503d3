import ArgumentParser
import Glibc
import Lab
import LinuxSystem

/// `martlet lab up -f FILE`.
struct LabUpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up", abstract: "Makes the hosts of a file and forms their swarm.")

    @Option(name: .shortAndLong, help: "The lab's file, such as cluster-configs/three-hosts.yml.")
    var file: String

    @Option(name: .long, help: "A name other than the file's.")
    var name: String?

    @Flag(name: .long, help: "Leave the swarm to the user.")
    var noSwarm = false

    func run() async throws {
        var configuration = try LabConfiguration(file: file)
        if let name { configuration.name = name }
        let chosen = configuration
        let formsSwarm = !noSwarm
        try await Interruption.cancelling {
            let options = LabOptions(formsSwarm: formsSwarm) { line in
                print(line)
                fflush(nil)
            }
            try await RunningLab.up(chosen, options: options)
        }
    }
}

/// `martlet lab down [NAME]`.
struct LabDownCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "down", abstract: "Takes a lab down with everything of it, half-made ones too.")

    @OptionGroup var choice: LabChoice

    @Argument(help: "The lab's name; needed where several are up.")
    var name: String?

    @Flag(name: .long, help: "Take down every lab.")
    var all = false

    func run() async throws {
        if all {
            for lab in RunningLab.list() { try await down(lab) }
        } else if let name = name ?? choice.lab {
            try await down(RunningLab.leftover(name))
        } else {
            try await down(RunningLab.find(nil))
        }
    }

    private func down(_ lab: RunningLab) async throws {
        try await lab.down()
        print("lab \(lab.name) is down")
    }
}

/// `martlet lab start HOST`.
struct LabStartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Turns a host on again on its data, or starts its daemon.")

    @OptionGroup var choice: LabChoice
    @Argument var host: String

    func run() async throws { try await choice.find().start(host) }
}

/// `martlet lab stop [--kill] HOST`.
struct LabStopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "Ends a host's daemon; its containers go on.")

    @OptionGroup var choice: LabChoice
    @Flag(name: .long, help: "At once (SIGKILL) instead of asking (SIGTERM).")
    var kill = false
    @Argument var host: String

    func run() async throws { try await choice.find().stop(host, kill: kill) }
}

/// `martlet lab kill HOST`.
struct LabKillCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kill", abstract: "Pulls a host's plug: its link first, then every process of it.")

    @OptionGroup var choice: LabChoice
    @Argument var host: String

    func run() async throws { try await choice.find().kill(host) }
}

/// `martlet lab freeze HOST`.
struct LabFreezeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "freeze", abstract: "Holds every process of a host; its link stays up.")

    @OptionGroup var choice: LabChoice
    @Argument var host: String

    func run() async throws { try await choice.find().freeze(host) }
}

/// `martlet lab thaw HOST`.
struct LabThawCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "thaw", abstract: "Continues a frozen host.")

    @OptionGroup var choice: LabChoice
    @Argument var host: String

    func run() async throws { try await choice.find().thaw(host) }
}
