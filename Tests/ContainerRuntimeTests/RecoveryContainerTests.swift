import ContainerRuntime
import Glibc
import LinuxSystem
import RuntimeProtocol
import TestSupport
import Testing

/// The same with containers.
@Suite(.containers) struct RecoveryContainerTests {
    private func impatient(_ box: ContainerFixture) throws -> ContainerRuntime {
        try ContainerRuntime(
            runtimePath: try #require(TestEnvironment.program("martlet-runtime")),
            dataDirectory: box.directory.path("data"), runDirectory: box.directory.path("run"),
            patience: RecoveryTests.patience)
    }

    /// As a host has it after an upgrade from before the change 1 to 2: `git show d2858b7`.
    @Test func aShimOfVersion1() async throws {
        try await withContainers("version1") { box in
            try box.createAlone(box.specification("a", ["/bin/sleep", "1000"]))
            #expect(try box.answer("a", .start).error == nil)
            let state = box.directory.path("run/containers/a/" + ShimFiles.state)
            let text = try Files.text(state)
            let old = String(text.dropLast(#""version":2}"#.count)) + #""version":1}"#
            try #require(text.hasSuffix(#""version":2}"#))
            try Files.write(state, old)
            try Files.write(
                box.directory.path("data/containers/a/" + ShimFiles.specification),
                #"""
                {"cgroup":"martlet/a","devices":[],"domainname":"","hasInit":false,"hostname":"box","id":"a",
                "isPrivileged":false,"log":{"maximumBytes":20971520,"maximumFiles":5,"path":"/log"},
                "maskedPaths":["/proc/kcore"],"mounts":[],"namespaces":{"cgroup":{"new":{}},"ipc":{"new":{}},
                "network":{"path":{"_0":"/run/netns/x"}},"pid":{"new":{}},"uts":{"new":{}}},"process":{
                "arguments":["/bin/sleep","1000"],"capabilities":2818844155,"closesInputAfterFirstClient":false,
                "environment":["PATH=/bin"],"hasInput":false,"hasTerminal":false,"limits":[],
                "noNewPrivileges":false,"seccomp":{"dockerDefault":{}},"terminalColumns":0,"terminalRows":0,
                "user":{"additionalGroups":[],"name":""},"workingDirectory":"/"},"readonlyPaths":["/proc/sys"],
                "resources":{"allowsAllDevices":false,"deviceRules":[]},"root":{"overlay":{"isReadOnly":false,
                "lower":["/image"],"upper":"/upper","work":"/work"}},"sysctls":{},"version":1}
                """#)

            let runtime = try ContainerFixture.runtime(box.directory)
            let found = await runtime.recover()
            guard case .running(let pid)? = found.first?.state else {
                Issue.record("\(found)")
                return
            }
            #expect(try await runtime.processes("a") == [pid])
            let process = try box.specification("x", ["/bin/true"]).process
            let error = await #expect(throws: RuntimeError.self) {
                _ = try await runtime.exec("a", execID: "e", process)
            }
            #expect(error?.reason.contains("speaks version 1 of the protocol, not 2") == true)
            try await runtime.kill("a", signal: SIGKILL)
            #expect(try await runtime.wait("a").code == 137)
            #expect(try await runtime.create(box.specification("a", ["/bin/true"])) != pid)
            try await runtime.delete("a")
        }
    }

    @Test func deletionEndsAShimThatHangs() async throws {
        try await withContainers("hangs") { box in
            try box.createAlone(box.specification("a", ["/bin/sleep", "1000"]))
            let pid = try #require(try box.answer("a", .start).pid)
            let shim = try box.shim("a")
            Glibc.kill(shim, SIGSTOP)
            let runtime = try impatient(box)
            #expect(await runtime.recover() == [RecoveredContainer(id: "a", state: .unreachable(pid: pid))])
            #expect(Files.exists("/proc/\(pid)"))
            try await runtime.delete("a")
            try await waitUntil("both are gone") { !Files.exists("/proc/\(pid)") && !Files.exists("/proc/\(shim)") }
            #expect(!Files.exists(box.directory.path("run/containers/a")))
            #expect(await runtime.state("a") == nil)
        }
    }

    @Test func deletionEndsAShimThatNobodyWatches() async throws {
        try await withContainers("unwatched") { box in
            try box.createAlone(box.specification("a", ["/bin/sleep", "1000"]))
            let pid = try #require(try box.answer("a", .start).pid)
            try await box.runtime.delete("a")
            try await waitUntil("it is gone") { !Files.exists("/proc/\(pid)") }
            #expect(!Files.exists(box.directory.path("run/containers/a")))
        }
    }

    @Test func aStartThatWasCutOffEndsWhenItIsReached() async throws {
        try await withContainers("cut") { box in
            try box.createAlone(box.specification("a", ["/bin/sleep", "1000"]))
            let shim = try box.shim("a")
            Glibc.kill(shim, SIGSTOP)
            let runtime = try impatient(box)
            guard case .unreachable? = await runtime.recover().first?.state else {
                Issue.record("it was reached")
                return
            }
            Glibc.kill(shim, SIGCONT)
            #expect(try await runtime.wait("a").code == 137)
        }
    }

    @Test func ofTwoCreationsOneWins() async throws {
        try await withContainers("two") { box in
            for round in 0..<5 {
                let specification = try box.specification("a", ["/bin/sh", "-c", "exit 3"])
                let results = await withTaskGroup(of: Result<pid_t, any Error>.self) { group in
                    for _ in 0..<3 {
                        group.addTask {
                            do { return .success(try await box.runtime.create(specification)) } catch {
                                return .failure(error)
                            }
                        }
                    }
                    return await group.reduce(into: []) { $0.append($1) }
                }
                #expect(results.count { if case .success = $0 { true } else { false } } == 1, "\(round): \(results)")
                // What the others took for theirs is still the winner's.
                #expect(Files.exists(box.directory.path("run/containers/a/" + ShimFiles.socket)))
                try await box.runtime.start("a")
                #expect(try await box.runtime.wait("a").code == 3)
            }
        }
    }

    /// A log that blocks who opens it (fifo(7)) holds the shim up.
    @Test func aShimThatIsTooSlowIsEnded() async throws {
        try await withContainers("slow") { box in
            var specification = try box.specification("a", ["/bin/true"])
            specification.log.path = box.directory.path("fifo")
            try #require(mkfifo(specification.log.path, 0o600) == 0)
            let runtime = try {
                var patience = ShimPatience()
                patience.creation = .milliseconds(500)
                return try ContainerRuntime(
                    runtimePath: try #require(TestEnvironment.program("martlet-runtime")),
                    dataDirectory: box.directory.path("data"), runDirectory: box.directory.path("run"),
                    patience: patience)
            }()
            let error = await #expect(throws: RuntimeError.self) { _ = try await runtime.create(specification) }
            #expect(error?.reason == "the shim takes too long")
            let run = box.directory.path("run/containers/a")
            #expect(!Files.exists(run))
            for name in try Files.list("/proc") where pid_t(name) != nil {
                let text = (try? Files.text("/proc/\(name)/cmdline")) ?? ""
                #expect(!text.contains(run), "process \(name) is left")
            }
            // The name is free.
            #expect(try await box.run("a", "exit 2").record.code == 2)
        }
    }

    @Test func anExecThatIsTooLongIsRefused() async throws {
        try await withContainers("long") { box in
            try await box.start("a", "exec sleep 1000")
            var process = try box.specification("x", ["/bin/echo", "here"]).process
            process.configuration.env = ["LONG=" + String(repeating: "x", count: ShimLimits.line)]
            let error = await #expect(throws: RuntimeError.self) {
                _ = try await box.runtime.exec("a", execID: "e", process)
            }
            #expect(error?.exitCode == 126)
            #expect(error?.reason.hasPrefix("argument list too long") == true)
            process.configuration.env = ["LONG=" + String(repeating: "x", count: 100_000)]
            let connection = try await box.runtime.exec("a", execID: "e", process)
            #expect(try await ContainerFixture.drain(connection).output == "here\n")
        }
    }
}
