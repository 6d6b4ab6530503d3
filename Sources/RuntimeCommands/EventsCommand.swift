import Cgroups
import Containment
import Glibc
import JSON
import LinuxSystem
import RuntimeSpec

/// `events`: figures of a container at an interval, and each time it runs out of memory, one JSON object a line.
struct EventsCommand {
    private let context: RuntimeContext
    private let id: String

    init(_ context: RuntimeContext, _ id: String) {
        self.context = context
        self.id = id
    }

    func run(intervalMilliseconds: Int, once: Bool) throws {
        let container = try context.container(id)
        guard container.status != .stopped else { throw SetupError("container \(id) is not running") }
        if once { return try Self.print(ContainerEvent(id: id, statistics: container.group.containerStatistics())) }
        let process = try container.openProcess()
        // A machine whose group has no controller of memory tells the figures alone.
        let watch = try? SharedWatch(container.group)
        var next = Clock.sinceBoot()
        while true {
            let now = Clock.sinceBoot()
            if now >= next {
                try Self.print(ContainerEvent(id: id, statistics: container.group.containerStatistics()))
                next = now + Int64(intervalMilliseconds) * 1_000_000
            }
            var entries = [pollfd(fd: process.rawValue, events: Int16(POLLIN), revents: 0)]
            if let watch { entries.append(pollfd(fd: watch.watch.rawValue, events: Int16(POLLIN), revents: 0)) }
            _ = poll(&entries, nfds_t(entries.count), Int32(clamping: max(1, (next - now) / 1_000_000)))
            if entries.count == 2, entries[1].revents != 0, case .outOfMemory? = watch?.watch.next() {
                try Self.print(ContainerEvent(outOfMemory: id))
            }
            if entries[0].revents != 0 { return }
        }
    }

    private static func print(_ event: ContainerEvent) throws {
        try Bytes.writeAll(1, Array((PrintedJSON.text(event, first: ["type", "id"]) + "\n").utf8))
    }
}

/// A watch that may be missing.
private final class SharedWatch {
    var watch: OOMWatch

    init(_ group: ControlGroup) throws(SystemError) { watch = try group.watchOOM() }
}
