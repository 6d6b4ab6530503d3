import ArgumentParser
import Lab

/// `martlet lab`: whole clusters on this machine.
struct LabCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lab",
        abstract: "Makes clusters of hosts on this machine, to try and to test (docs/lab.md).",
        subcommands: [
            LabUpCommand.self, LabDownCommand.self, LabListCommand.self, LabExecCommand.self,
            LabEnvironmentCommand.self,
            LabLogsCommand.self, LabStartCommand.self, LabStopCommand.self, LabKillCommand.self, LabCutCommand.self,
            LabMendCommand.self, LabFreezeCommand.self, LabThawCommand.self, LabForwardCommand.self,
        ])
}

/// Which lab a verb works on.
struct LabChoice: ParsableArguments {
    @Option(name: .long, help: "The lab's name; needed where several are up.")
    var lab: String?

    func find() throws -> RunningLab { try RunningLab.find(lab) }
}
