import Glibc
import LinuxSystem
import RuntimeProtocol
import TestSupport
import Testing

@testable import Cgroups

/// The kernel's Documentation/admin-guide/cgroup-v2.rst: cgroup.freeze, and cgroup-v1/freezer-subsystem.rst.
@Suite(.serialized) struct FreezerTests {
    private static let shortly: Int64 = 20_000_000

    /// The text of the error; empty where there is none.
    private static func refusal(_ group: ControlGroup, _ isFrozen: Bool) throws -> String {
        do {
            try group.setFrozen(isFrozen, within: shortly)
            return ""
        } catch {
            #expect(error.errno == ETIMEDOUT)
            return "\(error)"
        }
    }

    /// The kernel's files played by plain ones, which never say that every process stands still.
    @Test func whatCannotBeFrozenIsAnErrorAndThawedAgain() throws {
        let directory = try TemporaryDirectory()
        try directory.write("two/cgroup.freeze", "0")
        try directory.write("two/cgroup.events", "populated 1\nfrozen 0\n")
        let unified = ControlGroup(directories: [.init(controllers: [], base: directory.path, name: "two")])
        let refusal = try Self.refusal(unified, true)
        #expect(refusal.hasPrefix("freeze \(directory.path)/two/cgroup.freeze"), "\(refusal)")
        #expect(try Files.text(directory.path + "/two/cgroup.freeze") == "0")
        #expect(try Self.refusal(unified, false) == "")
        try Files.makeDirectories(directory.path + "/one")
        symlink("/dev/null", directory.path + "/one/freezer.state")
        let legacy = ControlGroup(directories: [.init(controllers: ["freezer"], base: directory.path, name: "one")])
        #expect(try Self.refusal(legacy, true).hasPrefix("freeze \(directory.path)/one/freezer.state"))
        #expect(throws: SystemError("freeze", "no cgroup freezer", errno: ENOTSUP)) {
            try ControlGroup(directories: []).setFrozen(true)
        }
    }

    /// Runs `body` with a group of this machine's in v1 or v2 alone.
    private static func withGroup(isUnified: Bool, _ body: (ControlGroup) throws -> Void) throws {
        let all = try ControlGroups().group("martlet-cgroups-test-\(getpid())-freezer")
        let group = all.part(isUnified: isUnified)
        guard isUnified || group.path("freezer") != nil else {
            print("not exercised: cgroup v1's freezer, which this machine has not mounted")
            return
        }
        guard !group.directories.isEmpty else {
            print("not exercised: cgroup v2's freezer, which this machine has not mounted")
            return
        }
        try group.create()
        defer {
            let deadline = Clock.sinceBoot() + 5_000_000_000
            while !group.remove(), Clock.sinceBoot() < deadline {
                try? group.setFrozen(false)
                group.killAll()
            }
        }
        try body(group)
    }

    @Test(.enabled(if: geteuid() == 0, "needs root"), arguments: [true, false])
    func aGroupBelowAFrozenOneCannotBeThawed(isUnified: Bool) throws {
        try Self.withGroup(isUnified: isUnified) { group in
            let below = ControlGroup(
                directories: group.directories.map {
                    .init(controllers: $0.controllers, base: $0.path, name: "below")
                })
            try below.create()
            try group.setFrozen(true)
            #expect(try Self.refusal(below, false).hasPrefix("thaw /"))
            try group.setFrozen(false)
            #expect(try Self.refusal(below, false) == "")
        }
    }

    @Test(.enabled(if: geteuid() == 0, "needs root"), arguments: [true, false])
    func processesThatForkAllTheTimeAreFrozen(isUnified: Bool) throws {
        try Self.withGroup(isUnified: isUnified) { group in
            let null = try Descriptor.open("/dev/null", O_RDWR)
            let joins = group.directories.map { "echo $$ >\($0.path)/cgroup.procs; " }.joined()
            let pid = try ChildProcess.spawn(
                "/bin/sh", ["sh", "-c", joins + "for i in 1 2 3; do while :; do (:) & (:); done & done; wait"],
                environment: ["PATH=/usr/bin:/bin"], descriptors: [null.rawValue, null.rawValue, null.rawValue])
            let deadline = Clock.sinceBoot() + 10_000_000_000
            while group.processes().count < 5, Clock.sinceBoot() < deadline { usleep(1000) }
            for _ in 0..<5 {
                try group.setFrozen(true)
                #expect(group.isFrozen)
                let before = Set(group.processes())
                burnProcessor(milliseconds: 10)
                // One that was ending when it was frozen may be gone.
                #expect(Set(group.processes()).isSubset(of: before))
                try group.setFrozen(false)
                #expect(!group.isFrozen)
            }
            group.killAll()
            #expect(try ChildProcess.wait(pid) == 137)
        }
    }
}
