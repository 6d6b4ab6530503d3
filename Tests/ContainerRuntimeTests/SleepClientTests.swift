import ContainerRuntime
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol
import TestSupport
import Testing

/// Whoever has to do with a container does not notice that its shim slept.
@Suite(.containers) struct SleepClientTests {
    @Test func execAgainAndAgain() async throws {
        try await withContainers("turns") { box in
            try await box.start("a", "exec sleep 1000")
            var process = try box.specification("x", ["/bin/sh", "-c", "cat; echo bad >&2; exit 7"]).process
            process.hasInput = true
            var open: Set<Int> = []
            for turn in 0..<4 {
                let pid = try await box.asleep("a")
                // No descriptor is left over from one sleep to the next.
                let now = Set(try Files.list("/proc/\(pid)/fd").compactMap { Int($0) })
                if turn > 0 { #expect(now.count == open.count) }
                open = now
                let connection = try await box.runtime.exec("a", execID: "e", process)
                // What the shim has of the host closes with exec, as it did before.
                for descriptor in try Files.list("/proc/\(pid)/fdinfo") where Int(descriptor)! > 2 {
                    let flags = try ContainerFixture.field("flags", "/proc/\(pid)/fdinfo/\(descriptor)", radix: 8)
                    #expect(flags & UInt64(O_CLOEXEC) != 0, "\(descriptor)")
                }
                try await connection.write(Array("turn \(turn)\n".utf8))
                connection.closeInput()
                let (output, errors, code) = try await ContainerFixture.drain(connection)
                #expect(output == "turn \(turn)\n")
                #expect(errors == "bad\n")
                #expect(code == 7)
            }
        }
    }

    @Test func theLogHasNoGap() async throws {
        try await withContainers("lines") { box in
            let pid = try await box.start(
                "a",
                "trap 'seq 1 3000; echo bad >&2; printf é | head -c 1' USR1; printf begin; "
                    + "while :; do usleep 10000; done")
            try await box.asleep("a")
            for turn in 1...2 {
                Glibc.kill(pid, SIGUSR1)
                try await waitUntil("the lines are there") { try box.log("a").count == turn * 3001 }
                try await box.asleep("a")
            }
            try await box.runtime.kill("a", signal: SIGKILL)
            #expect(try await box.runtime.wait("a").code == 137)
            let log = try box.log("a")
            // A byte of a character is no character.
            let numbers = ["begin1\n"] + (2...3000).map { "\($0)\n" }
            let again = ["\u{fffd}1\n"] + numbers.dropFirst()
            #expect(log.filter { $0.stream == "stdout" }.map(\.text) == numbers + again + ["\u{fffd}\n"])
            #expect(log.filter { $0.stream == "stderr" }.map(\.text) == ["bad\n", "bad\n"])
        }
    }

    @Test func aTerminalAndItsClients() async throws {
        try await withContainers("screen") { box in
            var specification = try box.specification(
                "a", ["/bin/sh", "-c", "printf prompt; read x; stty size; echo got $x; read x; exit 4"])
            specification.process.configuration.terminal = true
            specification.process.hasInput = true
            _ = try await box.runtime.create(specification)
            try await box.runtime.start("a")
            try await box.asleep("a")
            try await box.runtime.resize("a", rows: 50, columns: 132)
            try await box.asleep("a")
            let connection = try await box.runtime.attach("a", input: true)
            try await connection.write(Array("word\n".utf8))
            var seen = ""
            while !seen.contains("got word\r\n"), case .output(let bytes)? = try await connection.next() {
                seen += String(decoding: bytes, as: UTF8.self)
            }
            #expect(seen.contains("50 132\r\n"))
            connection.close()
            try await box.asleep("a")
            #expect(try box.log("a").first?.text == "promptword\r\n")
            let second = try await box.runtime.attach("a", input: true)
            try await second.write([0x0a])
            #expect(try await ContainerFixture.drain(second).code == 4)
            #expect(try await box.runtime.wait("a").code == 4)
        }
    }

    @Test func inputByAPipe() async throws {
        try await withContainers("input") { box in
            var specification = try box.specification("a", ["/bin/cat"])
            specification.process.hasInput = true
            specification.process.closesInputAfterFirstClient = true
            _ = try await box.runtime.create(specification)
            try await box.runtime.start("a")
            try await box.asleep("a")
            let connection = try await box.runtime.attach("a", input: true)
            try await connection.write(Array("hello\n".utf8))
            connection.closeInput()
            let (output, _, code) = try await ContainerFixture.drain(connection)
            #expect(output == "hello\n")
            #expect(code == 0)
        }
    }

    @Test func aRestartedDaemonFindsIt() async throws {
        try await withContainers("back") { box in
            let pid = try await box.startAsleep("a", onSignal: "exit 3")
            let second = try ContainerFixture.runtime(box.directory)
            let found = await second.recover()
            #expect(found.map(\.state) == [.running(pid: pid)])
            // Two of them wait now.
            try await box.asleep("a")
            try await second.kill("a", signal: SIGUSR1)
            #expect(try await second.wait("a").code == 3)
            #expect(try await box.runtime.wait("a").code == 3)
        }
    }

    @Test func aWaiterThatGoesIsForgotten() async throws {
        try await withContainers("gone") { box in
            try await box.start("a", "exec sleep 1000")
            let pid = try await box.asleep("a")
            let before = try Files.list("/proc/\(pid)/fd").count
            do {
                let waiter = try UnixSocket.connect(box.directory.path("run/containers/a/\(ShimFiles.socket)"))
                try Bytes.writeAll(waiter.rawValue, JSONCoding.encode(ShimRequest.wait) + [0x0a])
                try await waitUntil("it sleeps with one more") {
                    try ContainerFixture.isAsleep(pid) && Files.list("/proc/\(pid)/fd").count == before + 1
                }
                // What it says meanwhile is not listened to.
                try Bytes.writeAll(waiter.rawValue, [0x0a])
                #expect(ContainerFixture.isAsleep(pid))
            }
            try await waitUntil("it sleeps without it") {
                try ContainerFixture.isAsleep(pid) && Files.list("/proc/\(pid)/fd").count == before
            }
        }
    }
}
