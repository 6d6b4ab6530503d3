import ContainerRuntime
import Glibc
import LinuxSystem
import RuntimeProtocol
import TestSupport
import Testing

/// Attach, exec, terminals and logs.
@Suite(.containers) struct StreamTests {
    @Test func attachWithInput() async throws {
        try await withContainers("attach") { box in
            var specification = try box.specification("a", ["/bin/cat"])
            specification.process.hasInput = true
            specification.process.closesInputAfterFirstClient = true
            _ = try await box.runtime.create(specification)
            let first = try await box.runtime.attach("a", input: true)
            let second = try await box.runtime.attach("a", input: false)
            try await box.runtime.start("a")
            try await first.write(Array("hello\n".utf8))
            #expect(try await first.next() == .output(Array("hello\n".utf8)))
            #expect(try await second.next() == .output(Array("hello\n".utf8)))
            try await first.write([UInt8](repeating: 0x78, count: 3 << 20))
            first.closeInput()
            async let seen = ContainerFixture.drain(second)
            let (output, _, code) = try await ContainerFixture.drain(first)
            #expect(output.utf8.count == 3 << 20)
            #expect(code == 0)
            #expect(try await seen.output.utf8.count == 3 << 20)
            #expect(try await box.runtime.wait("a").code == 0)
        }
    }

    @Test func withoutInputTheProcessReadsNothing() async throws {
        try await withContainers("noinput") { box in
            let (record, output) = try await box.run("a", "cat; echo end")
            #expect(record.code == 0)
            #expect(output == "end\n")
        }
    }

    @Test func exec() async throws {
        try await withContainers("exec") { box in
            let pid = try await box.start("a", "exec sleep 1000")
            var process = try box.specification("x", ["/bin/sh", "-c"]).process
            process.configuration.args?.append(
                "readlink /proc/self/ns/pid; id -u; echo $X; pwd; cat /proc/self/cgroup; echo bad >&2; exit 42")
            process.configuration.env?.append("X=y")
            process.user.name = "app"
            process.configuration.cwd = "/tmp"
            let connection = try await box.runtime.exec("a", execID: "e1", process)
            let (output, errors, code) = try await ContainerFixture.drain(connection)
            #expect(code == 42)
            #expect(errors == "bad\n")
            let lines = output.split(separator: "\n")
            var namespace = stat()
            #expect(stat("/proc/\(pid)/ns/pid", &namespace) == 0)
            #expect(lines.prefix(4) == ["pid:[\(namespace.st_ino)]", "1000", "y", "/tmp"])
            #expect(lines.allSatisfy { !$0.contains(box.groupName) })
            // The group's members include it.
            process.configuration.args = ["/bin/sleep", "1000"]
            let long = try await box.runtime.exec("a", execID: "e2", process)
            #expect(try await box.runtime.processes("a").contains(long.pid))
            process.configuration.args = ["nope"]
            do {
                _ = try await box.runtime.exec("a", execID: "e3", process)
                Issue.record("started")
            } catch let error as RuntimeError {
                #expect(error.reason == "exec: \"nope\": executable file not found in $PATH")
                #expect(error.exitCode == 127)
            }
            // Its end takes every process with it.
            try await box.runtime.kill("a", signal: SIGKILL)
            #expect(try await ContainerFixture.drain(long).code == 137)
            await #expect(throws: RuntimeError.self) { _ = try await box.runtime.exec("a", execID: "e4", process) }
        }
    }

    @Test func execWithInputAndMuchOutput() async throws {
        try await withContainers("pipe") { box in
            try await box.start("a", "exec sleep 1000")
            var process = try box.specification("x", ["/bin/cat"]).process
            process.hasInput = true
            let connection = try await box.runtime.exec("a", execID: "e", process)
            async let received = ContainerFixture.drain(connection)
            for _ in 0..<64 { try await connection.write([UInt8](repeating: 0x61, count: 1 << 17)) }
            connection.closeInput()
            let (output, _, code) = try await received
            #expect(output.utf8.count == 64 << 17)
            #expect(code == 0)
        }
    }

    @Test func terminal() async throws {
        try await withContainers("tty") { box in
            var specification = try box.specification(
                "a",
                ["/bin/sh", "-c", "tty; stty size; ls -l /dev/console | head -c 1; read x; stty size; echo got $x"])
            specification.process.configuration.terminal = true
            specification.process.hasInput = true
            specification.process.configuration.consoleSize = .init(height: 24, width: 80)
            _ = try await box.runtime.create(specification)
            let connection = try await box.runtime.attach("a", input: true)
            try await box.runtime.start("a")
            var seen = ""
            while !seen.contains("\r\nc"), case .output(let bytes)? = try await connection.next() {
                seen += String(decoding: bytes, as: UTF8.self)
            }
            #expect(seen.hasPrefix("/dev/pts/0\r\n24 80\r\n"))
            try await box.runtime.resize("a", rows: 50, columns: 132)
            try await connection.write(Array("word\n".utf8))
            let (rest, _, code) = try await ContainerFixture.drain(connection)
            #expect(rest.contains("50 132\r\n"))
            #expect(rest.contains("got word\r\n"))
            #expect(code == 0)
            // The log has it as one stream.
            #expect(try box.log("a").allSatisfy { $0.stream == "stdout" })
        }
    }

    @Test func terminalOfExec() async throws {
        try await withContainers("exectty") { box in
            try await box.start("a", "exec sleep 1000")
            var process = try box.specification(
                "x", ["/bin/sh", "-c", "tty; read x; stty size; kill -INT $$; sleep 1000"]
            ).process
            process.configuration.terminal = true
            process.hasInput = true
            let connection = try await box.runtime.exec("a", execID: "e", process)
            try await box.runtime.resize("a", exec: "e", rows: 10, columns: 20)
            try await connection.write([0x0a])
            let (output, _, code) = try await ContainerFixture.drain(connection)
            // The terminal's echo of the empty line may come before it.
            #expect(output.contains("/dev/pts/0\r\n"))
            #expect(output.contains("10 20\r\n"))
            #expect(code == 130)
        }
    }

    @Test func logRotates() async throws {
        try await withContainers("rotate") { box in
            let (record, _) = try await box.run("a", "seq 1 3000") {
                $0.log.maximumBytes = 64 << 10
                $0.log.maximumFiles = 3
            }
            #expect(record.code == 0)
            let lines = try ["", ".1", ".2"].reversed().flatMap { try box.log("a", suffix: $0).map(\.text) }
            // The newest lines, without a gap, each whole.
            #expect(lines.last == "3000\n")
            let numbers = lines.compactMap { Int($0.dropLast()) }
            #expect(numbers.count == lines.count && numbers.count > 1000)
            #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $0 + 1 == $1 })
            for suffix in ["", ".1", ".2"] {
                #expect(try Files.read(box.directory.path("data/containers/a/log.json" + suffix)).count <= 64 << 10)
            }
            #expect(!Files.exists(box.directory.path("data/containers/a/log.json.3")))
        }
    }

    /// A client that takes nothing holds the container up for a moment at most.
    @Test func aStuckClientIsLetGo() async throws {
        try await withContainers("stuck") { box in
            var specification = try box.specification(
                "a", ["/bin/sh", "-c", "yes $(printf %01000d 0) | head -c 16000000"])
            specification.log.maximumBytes = 1 << 20
            _ = try await box.runtime.create(specification)
            let stuck = try await box.runtime.attach("a", input: false)
            try await box.runtime.start("a")
            let record = try await box.runtime.wait("a")
            #expect(record.code == 0)
            let (output, _, code) = try await ContainerFixture.drain(stuck)
            // It was cut off in the middle.
            #expect(code == nil)
            #expect(output.utf8.count < 16_000_000)
        }
    }
}
