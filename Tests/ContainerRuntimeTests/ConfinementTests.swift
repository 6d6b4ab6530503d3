import CLinux
import ContainerRuntime
import Glibc
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec
import TestSupport
import Testing

/// What a container may not do.
@Suite(.containers) struct ConfinementTests {
    @Test func readOnlyRoot() async throws {
        try await withContainers("readonly") { box in
            let (_, output) = try await box.run(
                "a", "touch /x || echo refused; touch /dev/shm/x /scratch/y && echo fine"
            ) {
                if case .overlay(let lower, let upper, let work, _) = $0.root {
                    $0.root = .overlay(lower: lower, upper: upper, work: work, isReadOnly: true)
                }
                $0.mounts.append(
                    .init(
                        destination: "/scratch", type: "tmpfs", options: ["nosuid", "nodev", "noexec", "size=1m"]))
            }
            #expect(output.contains("refused\n"))
            #expect(output.contains("fine\n"))
        }
    }

    @Test func maskedAndReadonlyPaths() async throws {
        try await withContainers("masked") { box in
            let (_, output) = try await box.run(
                "a",
                "wc -c </proc/timer_list; ls /sys/firmware | wc -l; echo 1 >/proc/sys/kernel/msgmax || echo refused; "
                    + "ls /proc/nope"
            ) {
                $0.linux.maskedPaths = ["/proc/timer_list", "/sys/firmware", "/proc/nope"]
                $0.linux.readonlyPaths = ["/proc/sys"]
            }
            #expect(output.contains("0\n0\n"))
            #expect(output.contains("refused\n"))
        }
    }

    @Test func capabilities() async throws {
        try await withContainers("caps") { box in
            let script = """
                mknod /tmp/n c 1 3 && echo made
                mount -t tmpfs none /tmp || echo no mount
                chown 5 /etc/passwd && echo owned
                grep -E 'Cap(Eff|Bnd|Inh|Amb)' /proc/self/status
                """
            let usual = try await box.run("a", script)
            #expect(usual.output.contains("made\n"))
            #expect(usual.output.contains("no mount\n"))
            #expect(usual.output.contains("CapEff:\t00000000a80425fb\n"))
            #expect(usual.output.contains("CapBnd:\t00000000a80425fb\n"))
            #expect(usual.output.contains("CapInh:\t0000000000000000\n"))
            let none = try await box.run("b", script) { $0.process.configuration.capabilities = .init(mask: 0) }
            #expect(!none.output.contains("made\n"))
            #expect(!none.output.contains("owned\n"))
            let all = try await box.run("c", script) {
                $0.process.configuration.capabilities = .init(mask: Capability.all)
            }
            #expect(!all.output.contains("no mount\n"))
        }
    }

    @Test func seccomp() async throws {
        try await withContainers("seccomp") { box in
            // unshare(CLONE_NEWUSER) needs no capability: only the filter keeps it away.
            let filtered = try await box.run(
                "a", "unshare -U true && echo new; grep Seccomp: /proc/self/status; date +%Y")
            #expect(!filtered.output.contains("new\n"))
            #expect(filtered.output.contains("Seccomp:\t2\n"))
            let open = try await box.run("b", "unshare -U true && echo new; grep Seccomp: /proc/self/status") {
                $0.process.seccomp = .unconfined
            }
            #expect(open.output.contains("new\n"))
            let own = try await box.run("c", "chmod 700 /tmp || echo refused") {
                var profile = SeccompProfile.dockerDefault(capabilities: $0.process.capabilities)
                for index in profile.rules.indices {
                    profile.rules[index].calls.removeAll { $0.hasPrefix("chmod") || $0.hasPrefix("fchmodat") }
                }
                $0.process.seccomp = .profile(profile)
                $0.process.configuration.noNewPrivileges = true
            }
            #expect(own.output.contains("refused\n"))
        }
    }

    @Test func devices() async throws {
        try await withContainers("devices") { box in
            // A device that the group keeps away gives EPERM; what the kernel says otherwise does not matter.
            let script = """
                mknod /tmp/fuse c 10 229; (: </tmp/fuse) 2>&1 | grep 'not permitted'
                head -c 1 /dev/zero | wc -c; stat -c %t:%T:%a /dev/own; (: </dev/own) 2>&1 | grep 'not permitted'
                """
            let node = box.directory.path("node")
            #expect(cl_mknodat(AT_FDCWD, node, UInt32(S_IFCHR) | 0o640, 10, 229) == 0)
            let usual = try await box.run("a", script)
            #expect(usual.output.contains("/tmp/fuse: Operation not permitted\n"))
            #expect(usual.output.contains("1\n"))
            let given = try await box.run("b", script) {
                $0.devices = [DeviceNode(hostPath: node, path: "/dev/own", access: "r")]
            }
            #expect(given.output == "1\na:e5:640\n")
            let privileged = try await box.run(
                "c", script + "\nls /dev/null && mount -t tmpfs none /tmp && echo mounted"
            ) {
                $0.isPrivileged = true
                $0.mounts = ContainerMountList.usual(isWritable: true)
                $0.process.configuration.capabilities = .init(mask: Capability.all)
                $0.process.seccomp = .unconfined
            }
            #expect(!privileged.output.contains("not permitted"))
            #expect(privileged.output.contains("mounted\n"))
        }
    }

    @Test func namespaces() async throws {
        try await withContainers("namespaces") { box in
            let (_, output) = try await box.run(
                "a",
                "echo pid $$; for n in pid net ipc uts mnt cgroup; do readlink /proc/self/ns/$n; done; ip addr show "
                    + "lo; cat /proc/self/cgroup"
            )
            #expect(output.hasPrefix("pid 1\n"))
            for name in ["pid", "net", "ipc", "uts", "mnt", "cgroup"] {
                var buffer = [CChar](repeating: 0, count: 64)
                readlink("/proc/self/ns/\(name)", &buffer, 63)
                let own = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
                #expect(!output.contains(own))
                #expect(output.contains(name + ":["))
            }
            #expect(output.contains("LOOPBACK,UP"))
            #expect(!output.contains(box.groupName))
            let host = try await box.run("b", "readlink /proc/self/ns/net; readlink /proc/self/ns/pid; echo $$") {
                $0.linux.choose(.network, .host)
                $0.linux.choose(.pid, .host)
            }
            #expect(host.record.code == 0)
            #expect(!host.output.hasSuffix("\n1\n"))
        }
    }

    @Test func networkNamespaceByPath() async throws {
        try await withContainers("netns") { box in
            let path = box.directory.path("netns")
            try NetworkNamespace.create(at: path)
            defer { try? NetworkNamespace.remove(path) }
            var information = stat()
            #expect(stat(path, &information) == 0)
            let (_, output) = try await box.run("a", "readlink /proc/self/ns/net; ls /sys/class/net") {
                $0.linux.choose(.network, .path(path))
            }
            #expect(output == "net:[\(information.st_ino)]\nlo\n")
        }
    }

    @Test func parametersOfNamespacesAlone() async throws {
        try await withContainers("sysctl") { box in
            let (_, output) = try await box.run(
                "a", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax"
            ) {
                $0.linux.sysctl = ["net.ipv4.ip_unprivileged_port_start": "80", "kernel.msgmax": "4321"]
                $0.linux.readonlyPaths = ["/proc/sys"]
            }
            #expect(output == "80\n4321\n")
            var specification = try box.specification("b", ["true"])
            specification.linux.sysctl = ["kernel.panic": "1"]
            await #expect(throws: RuntimeError.self) { _ = try await box.runtime.create(specification) }
        }
    }

    // MARK: Ways out

    /// A mount's target in the image is a link to a path of the host.
    @Test func linkedTargetsStayInside() async throws {
        try await withContainers("links") { box in
            let outside = box.directory.path("outside")
            try Files.makeDirectories(outside)
            try box.directory.write("volume/file", "inside")
            symlink(outside, box.directory.path("image/absolute"))
            symlink("../../../../../../../../" + outside, box.directory.path("image/relative"))
            let (record, output) = try await box.run(
                "a", "cat /absolute/v/file; cat /relative/w/file; cat \(outside)/v/file"
            ) {
                let volume = box.directory.path("volume")
                $0.mounts += [
                    ContainerMountList.bind(volume, at: "/absolute/v"),
                    ContainerMountList.bind(volume, at: "/relative/w"),
                    .init(destination: "/../../../deep/er", type: "tmpfs"),
                ]
                $0.process.configuration.cwd = "/absolute/work"
            }
            #expect(record.code == 0)
            #expect(output == "insideinsideinside\n")
            #expect(try Files.list(outside) == [])
        }
    }

    /// /proc and /sys of the image lead elsewhere (CVE-2019-16884, CVE-2021-30465).
    @Test func linkedKernelDirectoriesAreRefused() async throws {
        try await withContainers("proc") { box in
            try Files.makeDirectories(box.directory.path("image/fake"))
            symlink("fake", box.directory.path("image/proc"))
            let specification = try box.specification("a", ["true"])
            do {
                _ = try await box.runtime.create(specification)
                Issue.record("created")
            } catch let error as RuntimeError {
                #expect(error.reason == "filesystem \"proc\" must be mounted on ordinary directory")
            }
        }
    }

    @Test func nothingIsMountedOverProc() async throws {
        try await withContainers("overproc") { box in
            var specification = try box.specification("a", ["true"])
            specification.mounts.append(.init(destination: "/proc/sys", type: "tmpfs"))
            await #expect(throws: RuntimeError.self) { _ = try await box.runtime.create(specification) }
        }
    }

    /// CVE-2019-5736: the container's program is a link to /proc/self/exe, which is the runtime while it execs.
    @Test func theRuntimeCannotBeOverwritten() async throws {
        try await withContainers("exe") { box in
            let program = try #require(TestEnvironment.program("martlet-runtime"))
            var before = stat()
            #expect(stat(program, &before) == 0)
            try await box.start("a", "echo ready; sleep 1000") {
                $0.process.configuration.capabilities = .init(mask: Capability.all)
            }
            try await waitUntil("it runs") { try box.log("a").count == 1 }
            // With a reaper of ours the runtime's program stays visible for good.
            let (_, output) = try await box.run(
                "b",
                """
                exec 3</proc/1/exe || echo unreadable
                (: >/proc/1/exe) 2>&1 || echo closed
                (: >>/proc/self/fd/3) 2>&1 || echo closed
                chmod 777 /proc/1/exe 2>&1 || echo closed
                """
            ) {
                $0.hasInit = true
                $0.process.configuration.capabilities = .init(mask: Capability.all)
                $0.process.seccomp = .unconfined
            }
            #expect(output.components(of: "closed") + output.components(of: "unreadable") >= 3, "\(output)")
            var after = stat()
            #expect(stat(program, &after) == 0)
            #expect(before.st_mtim.tv_nsec == after.st_mtim.tv_nsec && before.st_size == after.st_size)
            #expect(before.st_mode == after.st_mode)
        }
    }

    /// Nothing of the host's descriptors and arguments reaches the container.
    @Test func nothingLeaks() async throws {
        try await withContainers("leaks") { box in
            let (_, output) = try await box.run(
                "a", "ls /proc/self/fd | wc -l; cat /proc/1/environ /proc/1/cmdline | tr '\\0' ' '")
            #expect(output.hasPrefix("4\n"))
            #expect(!output.contains(box.directory.path))
            let signals = try await box.run("b", arguments: ["grep", "Sig", "/proc/self/status"]).output
            #expect(signals.contains("SigIgn:\t0000000000000000"))
            #expect(signals.contains("SigBlk:\t0000000000000000"))
        }
    }
}

extension String {
    /// How often `word` occurs.
    func components(of word: String) -> Int { ranges(of: word).count }
}
