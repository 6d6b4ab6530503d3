import JSON
import RuntimeProtocol
import RuntimeSpec
import Testing

@Suite struct ProtocolTests {
    @Test func specificationSurvivesJSON() throws {
        var process = ProcessSpecification(ProcessConfiguration(args: ["/bin/sh", "-c", "exit 3"]))
        process.configuration.env = ["A=b"]
        process.configuration.capabilities = .init(mask: Capability.all)
        process.configuration.rlimits = [.init(type: "RLIMIT_NOFILE", soft: 1024, hard: .max)]
        process.seccomp = .profile(
            SeccompProfile(
                defaultErrno: 1,
                rules: [
                    .init(
                        ["clone"], arguments: [.init(index: 0, comparison: .maskedEqual, value: .max, maskedValue: 5)]),
                    .init(["clone3"], action: .errno(38)),
                ]))
        var specification = ContainerSpecification(
            id: "c1", process: process,
            root: .overlay(lower: ["/a", "/b"], upper: "/u", work: "/w", isReadOnly: true), hostname: "h",
            cgroup: "martlet/c1", log: LogSettings(path: "/log"))
        specification.mounts = [
            ContainerMountList.bind("/s", at: "/t", propagation: "rslave"),
            .init(destination: "/tmp", type: "tmpfs", options: ["size=1m", "ro"]),
        ]
        specification.linux.choose(.network, .path("/run/netns/x"))
        let text = try JSONCoding.encode(specification)
        #expect(try JSONCoding.decode(ContainerSpecification.self, from: text) == specification)
    }

    @Test func messagesSurviveJSON() throws {
        let requests: [ShimRequest] = [
            .start, .state, .wait, .kill(signal: 9, wholeGroup: true), .attach(hasInput: true),
            .resize(exec: nil, rows: 24, columns: 80),
            .exec(id: "e", process: ProcessSpecification(ProcessConfiguration(args: ["true"]))),
        ]
        for request in requests {
            #expect(try JSONCoding.decode(ShimRequest.self, from: JSONCoding.encode(request)) == request)
        }
        let answer = ShimAnswer(
            error: "e", code: 127, pid: 1, isStarted: true,
            exit: ExitRecord(code: 137, oomKilled: true, finishedAt: 1, error: "x"))
        #expect(try JSONCoding.decode(ShimAnswer.self, from: JSONCoding.encode(answer)) == answer)
    }

    /// Engine API: ContainerAttach, Stream format.
    @Test func frames() {
        #expect(ShimFrame.encode(1, Array("hi".utf8)) == [1, 0, 0, 0, 0, 0, 0, 2, 0x68, 0x69])
        #expect(ShimFrame.exit(code: 257) == [3, 0, 0, 0, 0, 0, 0, 4, 0, 0, 1, 1])
    }

    @Test func ownMountsTakeTheUsualOnesPlaces() {
        let usual = ContainerMountList.usual(sharedMemoryBytes: 5)
        #expect(usual.map(\.destination).first == "/proc" && usual.count == 7)
        let merged = ContainerMountList.merge(
            [
                ContainerMountList.bind("/b", at: "/a/b"), ContainerMountList.bind("/a", at: "/a", isReadOnly: true),
                ContainerMountList.bind("/shm", at: "//dev/./shm/"), ContainerMountList.bind("/s", at: "/sys"),
            ], over: usual)
        #expect(
            merged.map(\.destination)
                == ["/proc", "/dev", "/dev/pts", "/dev/mqueue", "/a", "/sys", "/a/b", "//dev/./shm/"])
        #expect(merged[4].options == ["rbind", "rprivate", "ro", "rro"])
    }

    @Test func capabilities() throws {
        #expect(Capability.bit(of: "cap_sys_admin") == 1 << 21)
        let mask = try Capability.mask(adding: ["NET_ADMIN"], dropping: ["all"]).get()
        #expect(mask == 1 << 12)
        #expect(throws: UnknownCapability.self) { try Capability.mask(adding: ["NOPE"], dropping: []).get() }
    }

    @Test func programsAreFoundAsDockerFindsThem() throws {
        let files: [String: SearchPath.Finding] = [
            "/a/ls": .notExecutable, "/b/ls": .executable, "/etc": .directory, "/etc/passwd": .notExecutable,
        ]
        func find(_ name: String) throws -> String {
            try SearchPath.find(name, environment: ["PATH=/a:/b"]) { files[$0] ?? .missing }
        }
        #expect(try find("ls") == "/b/ls")
        for (name, text, code) in [
            ("nope", "exec: \"nope\": executable file not found in $PATH", 127),
            ("/nope", "exec: \"/nope\": stat /nope: no such file or directory", 127),
            ("/etc", "exec: \"/etc\": is a directory", 126),
            ("/etc/passwd", "exec: \"/etc/passwd\": permission denied", 126),
        ] as [(String, String, Int32)] {
            do {
                _ = try find(name)
                Issue.record("\(name) was found")
            } catch let error as ProgramNotFound {
                #expect(error.description == text)
                #expect(error.code == code)
            }
        }
    }

    @Test func theDefaultProfileFollowsCapabilities() {
        func allows(_ call: String, _ capabilities: UInt64) -> Bool {
            SeccompProfile.dockerDefault(capabilities: capabilities).rules.contains {
                $0.calls.contains(call) && $0.action == .allow && $0.arguments.isEmpty
            }
        }
        #expect(allows("read", 0))
        #expect(!allows("mount", Capability.dockerDefault))
        #expect(allows("mount", Capability.all))
        #expect(!allows("reboot", Capability.dockerDefault))
        #expect(allows("chroot", Capability.dockerDefault))
    }
}
