import ContainerRuntime
import Glibc
import LinuxSystem
import RuntimeProtocol
import TestSupport
import Testing

/// Limits, statistics, pause.
@Suite(.containers) struct ResourceTests {
    @Test func outOfMemoryIsNoted() async throws {
        try await withContainers("oom") { box in
            let (record, _) = try await box.run("a", "exec tail -c 200m /dev/zero") {
                $0.resources.memoryBytes = 16 << 20
                $0.resources.memoryAndSwapBytes = 16 << 20
            }
            #expect(record.code == 137)
            #expect(record.oomKilled)
        }
    }

    @Test func numberOfProcesses() async throws {
        try await withContainers("pids") { box in
            let (_, output) = try await box.run(
                "a", "for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; echo went on"
            ) { $0.resources.pids = 5 }
            #expect(output.contains("can't fork"))
        }
    }

    @Test func statisticsUpdateAndPause() async throws {
        try await withContainers("stats") { box in
            try await box.start("a", "while :; do :; done") { $0.resources.memoryBytes = 64 << 20 }
            try await waitUntil("it has used the processor") {
                try await box.runtime.statistics("a").group.cpuTotal > 1_000_000
            }
            #expect(try await box.runtime.statistics("a").group.memoryLimit == 64 << 20)
            var limits = ResourceLimits()
            limits.memoryBytes = 128 << 20
            limits.pids = 50
            try await box.runtime.update("a", limits)
            let figures = try await box.runtime.statistics("a").group
            #expect(figures.memoryLimit == 128 << 20)
            #expect(figures.pidsLimit == 50)
            try await box.runtime.pause("a")
            let before = try await box.runtime.statistics("a").group.cpuTotal
            // As long as it takes this process to use so much processor time itself.
            burnProcessor(milliseconds: 30)
            #expect(try await box.runtime.statistics("a").group.cpuTotal == before)
            try await box.runtime.resume("a")
            try await waitUntil("it goes on") { try await box.runtime.statistics("a").group.cpuTotal > before }
            // A paused container can be killed.
            try await box.runtime.pause("a")
            try await box.runtime.kill("a", signal: SIGKILL)
            #expect(try await box.runtime.wait("a").code == 137)
        }
    }
}
