import ArgumentParser

/// `martlet service`.
struct ServiceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "service", abstract: "Services of a cluster.",
        subcommands: [
            ServiceCreateCommand.self, ServiceInspectCommand.self, ServiceLogsCommand.self, ServiceListCommand.self,
            ServiceTasksCommand.self, ServiceRemoveCommand.self, ServiceRollbackCommand.self,
            ServiceScaleCommand.self, ServiceUpdateCommand.self,
        ])
}
