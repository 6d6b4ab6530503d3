import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec
import TestSupport
import Testing

@testable import Cgroups

/// Groups of containers on this machine: made empty, with groups below them, frozen, watched.
@Suite(.enabled(if: geteuid() == 0, "needs root")) struct ContainerGroupTests {
    private static func named(_ name: String) throws -> ControlGroup {
        try ControlGroups().group(forPath: nil, id: "martlet-cgroups-test-\(getpid())-\(name)")
    }

    private static func withGroup(_ name: String, _ body: (ControlGroup) throws -> Void) throws {
        let group = try named(name).createEmpty()
        defer { takeAway(group) }
        try body(group)
    }

    private static func takeAway(_ group: ControlGroup) {
        let deadline = Clock.sinceBoot() + 5_000_000_000
        while !group.remove(), Clock.sinceBoot() < deadline { group.killAll() }
    }

    private static func shell(_ script: String) throws -> pid_t {
        let null = try Descriptor.open("/dev/null", O_RDWR)
        return try ChildProcess.spawn(
            "/bin/sh", ["sh", "-c", script], environment: ["PATH=/usr/bin:/bin"],
            descriptors: [null.rawValue, null.rawValue, null.rawValue])
    }

    private static func below(_ group: ControlGroup, _ path: String) throws {
        for directory in group.directories {
            // v1's cpuset takes no process without processors; v2's group keeps its own if it hands nothing on.
            if directory.isUnified {
                try Files.makeDirectories(directory.path + "/" + path)
            } else {
                let below = CgroupDirectory(controllers: directory.controllers, base: directory.path, name: path)
                try ControlGroup(directories: [below]).create()
            }
        }
    }

    /// runc: container's cgroup is not empty.
    @Test func aGroupWithProcessesIsRefused() throws {
        try Self.withGroup("used") { group in
            // An empty one is taken, and not taken away by a failure later on.
            #expect(try group.createEmpty() == group)
            try Self.below(group, "inner")
            let pid = try Self.shell("exec sleep 1000")
            for directory in group.directories { try Files.set(directory.path + "/inner/cgroup.procs", "\(pid)") }
            let path = try #require(group.directories.first?.path)
            #expect(throws: GroupError.notEmpty(path, processes: 1)) { try group.createEmpty() }
            group.killAll()
            #expect(try ChildProcess.wait(pid) == 137)
            for directory in group.directories { #expect(Files.isDirectory(directory.path + "/inner")) }
        }
    }

    @Test func aFrozenGroupIsRefused() throws {
        try Self.withGroup("cold") { group in
            #expect(!group.isFrozen)
            try group.setFrozen(true)
            #expect(group.isFrozen)
            #expect(throws: GroupError.self) { try group.createEmpty() }
            try group.setFrozen(false)
            #expect(!group.isFrozen)
            // By v1's, which somebody else may have used.
            guard let path = group.path("freezer") else {
                print("not exercised: cgroup v1's freezer, which this machine has not mounted")
                return
            }
            try Files.set(path + "/freezer.state", "FROZEN")
            #expect(group.isFrozen)
            try group.setFrozen(false)
            #expect(!group.isFrozen)
        }
    }

    /// What was made goes again where a later hierarchy fails; what was there stays.
    @Test func failureUndoes() throws {
        let group = try Self.named("undone")
        let parts = group.directories.prefix(2).map {
            CgroupDirectory(controllers: $0.controllers, base: $0.base, name: $0.name + "/a/b")
        }
        let missing = CgroupDirectory(controllers: ["none"], base: "/nowhere", name: "c")
        let error = #expect(throws: GroupError.self) {
            try ControlGroup(directories: parts + [missing]).createEmpty(isOptional: true)
        }
        #expect(error == .system(SystemError("mkdir", "/nowhere/c", errno: ENOENT)))
        for directory in group.directories { #expect(!Files.exists(directory.path)) }
    }

    /// Hierarchies in which a process without privileges may not make groups are left out where that is allowed.
    @Test func optionalHierarchies() throws {
        let group = try Self.named("optional")
        let real = try #require(group.directories.first)
        // A file system that takes no directories.
        let refused = CgroupDirectory(controllers: ["none"], base: "/sys/kernel", name: "martlet-\(getpid())")
        let both = ControlGroup(directories: [real, refused])
        #expect(throws: GroupError.self) { try both.createEmpty() }
        #expect(!Files.exists(real.path))
        let made = try both.createEmpty(isOptional: true)
        defer { Self.takeAway(made) }
        #expect(made.directories == [real] && Files.isDirectory(real.path))
    }

    /// Groups that the container made: their processes count, are killed, and the groups go.
    @Test func groupsBelow() throws {
        let group = try Self.named("nested").createEmpty()
        defer { Self.takeAway(group) }
        let deep = [String](repeating: "d", count: 40).joined(separator: "/")
        for path in [deep, "x/y", "x/z"] { try Self.below(group, path) }
        let outer = try Self.shell("exec sleep 1000")
        let inner = try Self.shell("exec sleep 1000")
        try group.add(outer)
        for directory in group.directories {
            try Files.set(directory.path + "/" + deep + "/cgroup.procs", "\(inner)")
        }
        #expect(group.processes() == [outer])
        #expect(group.processes(recursive: true) == [outer, inner].sorted())
        #expect(!group.remove())
        group.killAll()
        #expect(try ChildProcess.wait(outer) == 137)
        #expect(try ChildProcess.wait(inner) == 137)
        let deadline = Clock.sinceBoot() + 5_000_000_000
        var isGone = false
        while !isGone, Clock.sinceBoot() < deadline { isGone = group.remove() }
        #expect(isGone)
        for directory in group.directories { #expect(!Files.exists(directory.path)) }
    }

    /// Links are not followed, whatever a directory holds.
    @Test func linksStay() throws {
        let directory = try TemporaryDirectory()
        try Files.makeDirectories(directory.path + "/group/inner")
        try Files.makeDirectories(directory.path + "/outside/kept")
        symlink(directory.path + "/outside", directory.path + "/group/link")
        let group = ControlGroup(directories: [.init(controllers: [], base: directory.path, name: "group")])
        #expect(!group.remove())
        #expect(Files.isDirectory(directory.path + "/outside/kept"))
        #expect(!Files.exists(directory.path + "/group/inner"))
        unlink(directory.path + "/group/link")
        #expect(group.remove())
        #expect(!Files.exists(directory.path + "/group"))
    }

    private static func isReadable(_ descriptor: Int32, within milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) == 1
    }

    @Test func wantOfMemoryIsTold() throws {
        try Self.withGroup("oom") { group in
            guard group.layout.legacy.contains("memory") || group.layout.unified?.contains("memory") == true else {
                print("not exercised: the end of memory, whose controller this machine has not mounted")
                return
            }
            try group.apply(
                LinuxResources(parsing: Array(#"{"memory":{"limit":8388608}}"#.utf8)))
            var watch = try group.watchOOM()
            #expect(watch.next() == nil && !Self.isReadable(watch.rawValue, within: 0))
            // Waits until it is in the group.
            let path = try #require(group.path("memory") ?? group.unifiedPath)
            let pid = try Self.shell(
                "until grep -q \"^$$\\$\" \(path)/cgroup.procs; do :; done; exec head -c 64M /dev/zero | tail")
            try group.add(pid)
            #expect(Self.isReadable(watch.rawValue, within: 20_000))
            var kills: Int64 = 0
            let deadline = Clock.sinceBoot() + 20_000_000_000
            while kills == 0, Clock.sinceBoot() < deadline {
                if case .outOfMemory(let new) = watch.next() { kills += new }
            }
            #expect(kills > 0 && group.oomKills() == kills)
            group.killAll()
            _ = try ChildProcess.wait(pid)
            guard group.path("memory") != nil else { return }
            _ = watch.next()
            Self.takeAway(group)
            #expect(Self.isReadable(watch.rawValue, within: 5000))
            #expect(watch.next() == .ended)
        }
    }

    /// v2's files, played by plain ones, whose changes inotify tells in the same way.
    @Test func wantOfMemoryInV2() throws {
        let directory = try TemporaryDirectory()
        try Files.makeDirectories(directory.path + "/group")
        func set(_ file: String, _ text: String) throws { try Files.set(directory.path + "/group/" + file, text) }
        for file in ["memory.events", "cgroup.events"] { try Files.write(directory.path + "/group/" + file, "") }
        try set("memory.events", "max 0\noom 0\noom_kill 1\n")
        try set("cgroup.events", "populated 0\n")
        let group = ControlGroup(directories: [.init(controllers: [], base: directory.path, name: "group")])
        var watch = try group.watchOOM()
        #expect(watch.next() == nil)
        try set("cgroup.events", "populated 1\n")
        #expect(Self.isReadable(watch.rawValue, within: 0) && watch.next() == nil)
        try set("memory.events", "max 3\noom 0\noom_kill 1\n")
        #expect(watch.next() == nil)
        try set("memory.events", "max 4\noom 2\noom_kill 3\n")
        #expect(Self.isReadable(watch.rawValue, within: 0) && watch.next() == .outOfMemory(kills: 2))
        try set("cgroup.events", "populated 0\n")
        #expect(watch.next() == .ended)
        unlink(directory.path + "/group/memory.events")
        #expect(throws: SystemError.self) { _ = try group.watchOOM() }
    }

    @Test func statisticsHaveWhatTheMachineCounts() throws {
        try Self.withGroup("figures") { group in
            let pid = try Self.shell("exec sleep 1000")
            try group.add(pid)
            let figures = group.containerStatistics()
            #expect(figures.pids.current == 1 && figures.pids.limit == nil)
            if group.path("memory") != nil {
                #expect(figures.memory.usage.limit > 1 << 60 && figures.memory.kernel.limit > 1 << 60)
                #expect(figures.memory.raw?["hierarchical_memory_limit"] == figures.memory.usage.limit)
            }
            if group.path("cpuset") != nil { #expect(figures.cpuset.cpus?.isEmpty == false) }
            group.killAll()
            #expect(try ChildProcess.wait(pid) == 137)
        }
    }
}
