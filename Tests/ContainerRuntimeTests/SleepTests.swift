import ContainerRuntime
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol
import TestSupport
import Testing

/// An idle shim sleeps in a few pages of memory, and is woken by whatever happens.
@Suite(.containers) struct SleepTests {
    @Test func itTakesAFewPagesAndKeepsWhatItIs() async throws {
        try await withContainers("pages") { box in
            try await box.start("a", "trap 'exit 3' TERM; while :; do usleep 10000; done")
            let pid = try box.shim("a")
            let words = ["SigBlk", "SigIgn", "NSpid", "Umask", "PPid"]
            let before = try words.map { try ContainerFixture.field($0, "/proc/\(pid)/status", radix: 16) }
            try await box.asleep("a")
            // Pages of the program's file are there once for all that run it.
            #expect(try ContainerFixture.field("Private_Dirty", "/proc/\(pid)/smaps_rollup") < 100, "kilobytes")
            #expect(try words.map { try ContainerFixture.field($0, "/proc/\(pid)/status", radix: 16) } == before)
            // The next shim of the container would wait for it.
            let lock = try Descriptor.open(box.directory.path("run/containers/a/\(ShimFiles.lock)"), O_RDWR)
            #expect(flock(lock.rawValue, LOCK_EX | LOCK_NB) < 0)
            // What it ignores or reads by its descriptor does not end it.
            for signal in [SIGHUP, SIGINT, SIGPIPE, SIGUSR1] { Glibc.kill(pid, signal) }
            #expect(ContainerFixture.isAsleep(pid))
            Glibc.kill(pid, SIGTERM)
            try await waitUntil("it was woken") { !ContainerFixture.isAsleep(pid) }
            try await box.asleep("a")
            try await box.runtime.kill("a", signal: SIGTERM)
            #expect(try await box.runtime.wait("a").code == 3)
            let record = try Files.read(box.directory.path("data/containers/a/\(ShimFiles.exit)"))
            #expect(try JSONCoding.decode(ExitRecord.self, from: record).code == 3)
        }
    }

    @Test func anEndIsSeenAtOnce() async throws {
        try await withContainers("end") { box in
            let pid = try await box.startAsleep("a", onSignal: "echo last; exit 9")
            let begin = Clock.sinceBoot()
            Glibc.kill(pid, SIGUSR1)
            #expect(try await box.runtime.wait("a").code == 9)
            #expect(Clock.sinceBoot() - begin < 1_000_000_000)
            #expect(try box.log("a").map(\.text) == ["ready\n", "last\n"])
        }
    }

    /// Ends in the moments in which shims fall asleep.
    @Test func anEndAtAnyMomentIsSeen() async throws {
        try await withContainers("moments") { box in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<24 {
                    group.addTask {
                        let microseconds = 1_980_000 + number * 2000
                        let (record, output) = try await box.run(
                            "c\(number)", "usleep \(microseconds); echo last; exit \(number)")
                        #expect(record.code == Int32(number))
                        #expect(record.error == nil)
                        #expect(output == "last\n")
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func itsDeathTakesTheContainerAlong() async throws {
        try await withContainers("death") { box in
            // A user of its own too, whose change takes the death signal away.
            for user in ["", "app"] {
                let pid = try await box.start("a", "sleep 1000 & exec sleep 1000") { $0.process.user.name = user }
                Glibc.kill(try await box.asleep("a"), SIGKILL)
                #expect(try await box.runtime.wait("a").code == 137)
                try await waitUntil("its process is dead") { !Files.exists("/proc/\(pid)") }
            }
        }
    }

    @Test func wantOfMemoryIsNoted() async throws {
        try await withContainers("want") { box in
            let pid = try await box.startAsleep("a", onSignal: "exec tail -c 200m /dev/zero") {
                $0.resources.memoryBytes = 16 << 20
                $0.resources.memoryAndSwapBytes = 16 << 20
            }
            Glibc.kill(pid, SIGUSR1)
            let record = try await box.runtime.wait("a")
            #expect(record.code == 137)
            #expect(record.oomKilled)
        }
    }

    /// Orphans of a container without a PID namespace are the shim's to reap (prctl(2): PR_SET_CHILD_SUBREAPER).
    @Test func orphansAreReaped() async throws {
        try await withContainers("orphan") { box in
            let pid = try await box.startAsleep("a", onSignal: "(sleep 1000 & echo $!)") {
                $0.linux.choose(.pid, .host)
            }
            Glibc.kill(pid, SIGUSR1)
            try await waitUntil("its number is there") { try box.log("a").count == 2 }
            let orphan = try #require(try Int32(box.log("a")[1].text.dropLast()))
            let shim = try await box.asleep("a")
            #expect(try ContainerFixture.field("PPid", "/proc/\(orphan)/status") == UInt64(shim))
            Glibc.kill(orphan, SIGKILL)
            try await waitUntil("it is gone, and no zombie") { !Files.exists("/proc/\(orphan)") }
        }
    }

    /// An upgrade replaces the file while the shim sleeps: it wakes as what it was, also when nobody else holds that.
    @Test func itGoesOnWithItsOwnProgram() async throws {
        try await withContainers("upgrade") { box in
            let program = box.directory.path("martlet-runtime")
            let built = try #require(TestEnvironment.program("martlet-runtime"))
            try #require(try await Command.run(["cp", built, program]).succeeded)
            let runtime = try ContainerRuntime(
                runtimePath: program, dataDirectory: box.directory.path("data"),
                runDirectory: box.directory.path("run"))
            func begin(_ id: String) async throws -> stat {
                _ = try await runtime.create(box.specification(id, ["/bin/sleep", "1000"]))
                try await runtime.start(id)
                return try await Self.program(of: box.asleep(id))
            }
            let old = try await begin("a")
            try #require(try await Command.run(["cp", built, program + ".new"]).succeeded)
            try #require(rename(program + ".new", program) == 0)
            // With another container the daemon lets go of the old file.
            #expect(try await begin("b").st_ino != old.st_ino)
            let process = try box.specification("x", ["/bin/echo", "here"]).process
            for _ in 0..<2 {
                let connection = try await runtime.exec("a", execID: "e", process)
                #expect(try await ContainerFixture.drain(connection).output == "here\n")
                let now = try await Self.program(of: box.asleep("a"))
                #expect(now.st_ino == old.st_ino && now.st_dev == old.st_dev)
                #expect(now.st_nlink == 0)
            }
            for id in ["a", "b"] { try await runtime.delete(id) }
        }
    }

    /// The file that a process runs.
    private static func program(of pid: pid_t) throws -> stat {
        var information = stat()
        try syscall("stat") { stat("/proc/\(pid)/exe", &information) }
        return information
    }
}
