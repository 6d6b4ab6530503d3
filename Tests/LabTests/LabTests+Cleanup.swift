import Glibc
import LinuxSystem
import TestSupport
import Testing
import Values

@testable import Lab

/// Whatever happens while a lab is made, nothing of it is left.
extension LabTests {
    @Test("Where making fails, what was made is taken down, and the error has the daemon's words")
    func failure() async throws {
        let configuration = LabConfiguration(name: Self.name("fail"), hosts: [LabConfiguration.Host(name: "h1")])
        let traces = LabTraces(of: configuration.name)
        let broken = LabDaemon(command: ["/bin/sh", "-c", "echo no such luck; exit 3"], hasSocket: true)
        await #expect {
            try await RunningLab.up(configuration, options: Self.options(broken))
        } throws: { error in
            "\(error)".contains("the daemon ended")
        }
        #expect(try await traces.left() == [])
        let missing = LabDaemon(command: ["/no/such/daemon"], hasSocket: true)
        await #expect(throws: LabError.self) {
            try await RunningLab.up(configuration, options: Self.options(missing))
        }
        #expect(try await traces.left() == [])
    }

    @Test("Cancelling takes down what was made")
    func cancellation() async throws {
        let configuration = LabConfiguration(
            name: Self.name("cancel"), hosts: (1...3).map { LabConfiguration.Host(name: "h\($0)") })
        var traces = LabTraces(of: configuration.name)
        let up = Task { try await RunningLab.up(configuration, options: Self.options()) }
        try await waitUntil("the lab is begun") { Files.exists("/run/martlet-lab/\(configuration.name)/state.json") }
        traces.note()
        up.cancel()
        await #expect(throws: CancellationError.self) { _ = try await up.value }
        #expect(try await traces.left() == [])
    }

    @Test("What a lab has is found while it is up, and a network that outlives it because somebody holds it")
    func traces() async throws {
        let configuration = LabConfiguration(name: Self.name("traces"), hosts: [LabConfiguration.Host(name: "h1")])
        var traces = LabTraces(of: configuration.name)
        #expect(traces.found() == [])
        let lab = try await RunningLab.up(configuration, options: Self.options())
        let held: Int32
        do {
            traces.note()
            // The underlay's and the host's; a process of the host may just be on its way into one of its own.
            #expect(traces.notedNetworks >= 2)
            let found = traces.found()
            for kind in ["process", "control group", "namespace net:", "namespace mnt:", "file /var/lib"] {
                #expect(found.contains { $0.hasPrefix(kind) }, "\(kind) among \(found)")
            }
            let process = try #require(try LabState.load(lab.paths).underlay.initProcess?.pid)
            held = try Descriptor.open("/proc/\(process)/ns/net", O_RDONLY).release()
        } catch {
            try? await lab.down()
            throw error
        }
        try await lab.down()
        var left: [String] = []
        try await waitUntil("the network alone is left") {
            left = try await traces.left(after: .zero)
            return left.count == 1
        }
        #expect(left.first?.hasPrefix("namespace net:") == true, "\(left)")
        close(held)
        #expect(try await traces.left() == [])
    }

    /// Runs in a process of its own, which is killed meanwhile.
    @Test(.enabled(if: getenv("MARTLET_LAB_TO_MAKE") != nil, "part of killedWhileMaking"))
    func makeForKilling() async throws {
        let name = String(cString: try #require(getenv("MARTLET_LAB_TO_MAKE")))
        let configuration = LabConfiguration(
            name: name, hosts: (1...3).map { LabConfiguration.Host(name: "h\($0)") })
        try await RunningLab.up(configuration, options: Self.options())
    }

    @Test("kill -9 of the process that makes a lab, at any moment, then down: nothing is left")
    func killedWhileMaking() async throws {
        let path = TestEnvironment.bundlePath
        for (turn, sign) in [
            "state.json", "h1/log.pipe", "h1/daemon.log", "h2/etc/hosts", "h2/daemon.log", "h3/stage", "h3/daemon.log",
        ].enumerated() {
            let name = Self.name("crash\(turn)")
            var traces = LabTraces(of: name)
            let null = try Descriptor.open("/dev/null", O_RDWR)
            let maker = try ChildProcess.spawn(
                path, [path, "--testing-library", "swift-testing", "--filter", "makeForKilling"],
                environment: Command.currentEnvironment() + ["MARTLET_LAB_TO_MAKE=\(name)"],
                descriptors: [null.rawValue, null.rawValue, null.rawValue])
            try await waitUntil("\(sign) is there", within: .seconds(30), every: .milliseconds(1)) {
                Files.exists("/run/martlet-lab/\(name)/\(sign)")
            }
            traces.note()
            Glibc.kill(maker, SIGKILL)
            _ = try ChildProcess.wait(maker)
            try await RunningLab.leftover(name).down()
            #expect(try await traces.left() == [])
            await #expect(throws: LabError.self) { try await RunningLab.leftover(name).down() }
        }
    }
}
