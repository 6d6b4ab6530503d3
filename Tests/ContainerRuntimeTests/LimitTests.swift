import CLinux
import Cgroups
import ContainerRuntime
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol
import TestSupport
import Testing

/// What a container has of its host's limits and groups.
@Suite(.containers) struct LimitTests {
    /// getrlimit(2): the daemon's own need of descriptors is none of the container's.
    @Test func openFilesAreLimitedAsBeforeTheDaemonRaisedItsOwn() async throws {
        let number: Int32 = 7
        var (soft, hard): (UInt64, UInt64) = (0, 0)
        try checked("getrlimit", cl_getrlimit(number, &soft, &hard))
        let lower = hard / 2
        try checked("setrlimit", cl_setrlimit(number, lower, hard))
        try OpenFileLimit.raise()
        try checked("getrlimit", cl_getrlimit(number, &soft, &hard))
        #expect(soft == hard)
        #expect(OpenFileLimit.original?.soft == lower)
        #expect(OpenFileLimit.original?.hard == hard)
        try await withContainers("files") { box in
            #expect(try await box.run("a", "ulimit -n; ulimit -Hn").output == "\(lower)\n\(hard)\n")
            #expect(
                try await box.run("b", "ulimit -n") {
                    $0.process.configuration.rlimits = [.init(type: "RLIMIT_NOFILE", soft: 77, hard: 99)]
                }.output == "77\n")
            try await box.start("c", "exec sleep 1000")
            let process = try box.specification("x", ["/bin/sh", "-c", "ulimit -n"]).process
            let connection = try await box.runtime.exec("c", execID: "e", process)
            #expect(try await ContainerFixture.drain(connection).output == "\(lower)\n")
        }
    }

    /// Engine API: ContainerTop. A process that the container moved into a group of its own is still one of its.
    @Test func processesOfGroupsBelowAreFound() async throws {
        try await withContainers("below") { box in
            let pid = try await box.start("a", "sleep 1000 & exec sleep 1000")
            let state = try JSONCoding.decode(
                ShimState.self, from: Files.read(box.directory.path("run/containers/a/" + ShimFiles.state)))
            let all = try await waitFor("both run") {
                let all = try await box.runtime.processes("a")
                return all.count == 2 ? all : nil
            }
            let other = try #require(all.first { $0 != pid })
            for directory in state.cgroups {
                try Files.makeDirectories(directory.path + "/below")
                // A v1 cpuset begins without processors and takes nobody.
                try? Files.set(directory.path + "/below/cgroup.procs", "\(other)")
            }
            let group = ControlGroup(directories: state.cgroups)
            try #require(group.processes() == [pid], "it was not moved")
            #expect(Set(try await box.runtime.processes("a")) == [pid, other])
        }
    }
}
