import Containment
import Glibc
import JSON
import LinuxSystem
import RuntimeSpec

/// `list` and `ps`.
struct ListingCommands {
    private let context: RuntimeContext

    init(_ context: RuntimeContext) { self.context = context }

    func list(_ format: RuntimeCommand.ListFormat, isQuiet: Bool) throws {
        let containers = context.store.all().map(StoredContainer.Printed.init)
        if isQuiet {
            for container in containers { print(container.id) }
            return
        }
        switch format {
        case .json: print(try PrintedJSON.text(containers, first: StoredContainer.Printed.order))
        case .table:
            let rows = containers.map {
                [$0.id, "\($0.pid)", $0.status.rawValue, $0.bundle, $0.created, $0.owner]
            }
            Self.printTable([["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]] + rows)
        }
    }

    private static func printTable(_ rows: [[String]]) {
        guard let first = rows.first else { return }
        let widths = first.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        for row in rows {
            let cells = zip(row, widths).map { cell, width in cell + String(repeating: " ", count: width - cell.count) }
            let line = cells.joined(separator: "   ")
            print(String(line.reversed().drop { $0 == " " }.reversed()))
        }
    }

    /// With `table` the machine's own ps(1) says what the processes are.
    func processes(_ id: String, _ format: RuntimeCommand.ListFormat, _ arguments: [String]) throws {
        let container = try context.container(id)
        let pids = container.processes().sorted()
        if format == .json {
            print(String(decoding: try JSONCoding.encode(pids), as: UTF8.self))
            return
        }
        let result = try CapturedProcess.run(
            ["/bin/ps", "/usr/bin/ps"].first(where: Files.exists) ?? "ps",
            ["ps"] + (arguments.isEmpty ? ["-ef"] : arguments), environment: InheritedDescriptors.environment)
        guard result.code == 0 else {
            let errors = String(decoding: result.errors, as: UTF8.self)
            throw SetupError("ps \(arguments.joined(separator: " ")): \(errors)")
        }
        let lines = String(decoding: result.output, as: UTF8.self).split(separator: "\n")
        guard let title = lines.first,
            let column = title.split(separator: " ").firstIndex(of: "PID")
        else { throw SetupError("ps prints no column PID") }
        print(title)
        let wanted = Set(pids.map { "\($0)" })
        for line in lines.dropFirst() {
            let cells = line.split(separator: " ")
            if cells.count > column, wanted.contains(String(cells[column])) { print(line) }
        }
    }
}
