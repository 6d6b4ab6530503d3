import Glibc
import JSON
import LinuxSystem
import TestSupport
import Testing

/// `list`, `ps` and `kill` as runc has them.
@Suite(.bundles) struct ListingTests {
    @Test func `list as a table, as JSON and as ids`() async throws {
        try await withBundles("list") { fixture in
            #expect(try await fixture.succeed("list", "-q").output == "")
            try await fixture.create("first") { $0.annotations = ["key": "value"] }
            let pid = try await fixture.launch("second")
            #expect(try await fixture.succeed("list", "-q").lines == ["first", "second"])
            #expect(try await fixture.succeed("list", "--quiet").lines == ["first", "second"])

            let table = try await fixture.succeed("list").lines
            #expect(table.count == 3)
            let head = try #require(table.first).split(separator: " ").map(String.init)
            #expect(head == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"])
            let row = try #require(table.last).split(separator: " ").map(String.init)
            #expect(row.prefix(4) == ["second", "\(pid)", "running", fixture.bundle("second")])
            #expect(row.last == "root")

            let json = try await fixture.succeed("list", "--format", "json").json()
            #expect(json.array?.count == 2)
            let element = try #require(json[1])
            #expect(element["id"] == "second")
            #expect(element["pid"]?.integer == Int64(pid))
            #expect(element["status"] == "running")
            #expect(element["bundle"]?.string == fixture.bundle("second"))
            #expect(element["rootfs"]?.string == fixture.inRoot("second", ""))
            #expect(element["owner"] == "root")
            #expect(element["created"]?.string?.hasSuffix("Z") == true)
            #expect(json[0]?["annotations"]?["key"] == "value")
            let members = Set(try await fixture.state("second").object?.keys.map { $0 } ?? [])
            let expected: Set = ["ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "owner"]
            #expect(members.isSuperset(of: expected))
            #expect(try await fixture.command("list", "--format", "xml").code == 1)
        }
    }

    @Test func `ps as a table and as JSON`() async throws {
        try await withBundles("ps") { fixture in
            let pid = try await fixture.launch("c", "sleep 1000 & touch /data/ready; wait")
            try await fixture.waitFile(fixture.inRoot("c", "/data/ready"))
            let numbers = try await fixture.succeed("ps", "--format", "json", "c").json().array?.compactMap(\.integer)
            #expect(numbers?.count == 2)
            #expect(numbers?.contains(Int64(pid)) == true)
            let table = try await fixture.succeed("ps", "c").lines
            #expect(table.count == 3)
            #expect(table.first?.contains("PID") == true)
            #expect(table.dropFirst().allSatisfy { $0.contains("sleep 1000") })
            // The flags of ps(1) go behind the id.
            let short = try await fixture.succeed("ps", "c", "-o", "pid,comm").lines
            #expect(short.first?.split(separator: " ").map(String.init) == ["PID", "COMMAND"])
            #expect(short.count == 3)
        }
    }

    @Test(arguments: ["USR1", "SIGUSR1", "usr1", "10"])
    func `signals by name and number (runtime.md: Kill)`(signal: String) async throws {
        try await withBundles("signal") { fixture in
            let script = "trap 'exit 9' USR1; touch /data/ready; while true; do usleep 10000; done"
            try await fixture.launch("c", script)
            try await fixture.waitFile(fixture.inRoot("c", "/data/ready"))
            try await fixture.succeed("kill", "c", signal)
            try await fixture.waitStatus("c", "stopped")
        }
    }

    @Test func `the signal is SIGTERM where none is given, and an unknown one is an error`() async throws {
        try await withBundles("term") { fixture in
            let script = "trap 'touch /data/term; exit' TERM; touch /data/ready; while true; do usleep 10000; done"
            try await fixture.launch("c", script)
            try await fixture.waitFile(fixture.inRoot("c", "/data/ready"))
            for signal in ["NOSUCH", "0x", "SIG"] {
                #expect(try await fixture.command("kill", "c", signal).code == 1, "\(signal)")
            }
            #expect(try await fixture.state("c")["status"] == "running")
            try await fixture.succeed("kill", "c")
            try await fixture.waitStatus("c", "stopped")
            #expect(Files.exists(fixture.inRoot("c", "/data/term")))
        }
    }

    @Test func `kill --all reaches every process of the container`() async throws {
        try await withBundles("killall") { fixture in
            let script =
                "trap '' HUP; (trap 'touch /data/child; exit' HUP; touch /data/ready; "
                + "while true; do usleep 10000; done) & wait; exec sleep 1000"
            try await fixture.launch("c", script)
            try await fixture.waitFile(fixture.inRoot("c", "/data/ready"))
            try await fixture.succeed("kill", "--all", "c", "HUP")
            try await fixture.waitFile(fixture.inRoot("c", "/data/child"))
            try await fixture.succeed("kill", "--all", "c", "KILL")
            try await fixture.waitStatus("c", "stopped")
            #expect(fixture.processes("c").isEmpty)
        }
    }
}
