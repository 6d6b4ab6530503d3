import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// config-linux.md: Devices, Default Devices; Control groups: Allowed Device list.
@Suite(.bundles) struct DeviceTests {
    @Test func `the default devices and links (config-linux.md: Default Devices)`() async throws {
        try await withBundles("default") { fixture in
            let names = ["null", "zero", "full", "random", "urandom", "tty"]
            let script = """
                cd /dev; stat -c '%n %F %t:%T %a %u:%g' \(names.joined(separator: " "))
                for name in ptmx fd stdin stdout stderr; do readlink $name; done
                echo x > null && head -c 2 zero | wc -c && head -c 2 urandom | wc -c; echo x > full
                """
            let result = try await fixture.run("c", script)
            let numbers = ["1:3", "1:5", "1:7", "1:8", "1:9", "5:0"]
            let devices = zip(names, numbers).map { "\($0) character special file \($1) 666 0:0" }
            let links = ["pts/ptmx", "/proc/self/fd", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"]
            #expect(result.lines.prefix(6) == devices[...], "\(result)")
            #expect(result.lines.dropFirst(6).prefix(5) == links[...], "\(result)")
            #expect(result.lines.suffix(2) == ["2", "2"], "\(result)")
            #expect(result.errors.contains("No space left on device"), "\(result)")
        }
    }

    @Test func `devices of the container's own: type, numbers, mode, owner (config-linux.md: Devices)`() async throws {
        try await withBundles("own") { fixture in
            let script = """
                cd /dev; stat -c '%n %F %t:%T %a %u:%g' nothing sub/disk pipe
                echo x > nothing && (echo through > pipe & cat pipe)
                """
            let result = try await fixture.run("c", script) {
                var nothing = LinuxConfiguration.Device(type: "c", path: "/dev/nothing", major: 1, minor: 3)
                nothing.fileMode = 0o640
                nothing.uid = 3
                nothing.gid = 4
                var disk = LinuxConfiguration.Device(type: "b", path: "/dev/sub/disk", major: 254, minor: 0)
                disk.fileMode = 0o600
                var pipe = LinuxConfiguration.Device(type: "p", path: "/dev/pipe")
                pipe.fileMode = 0o622
                $0.linux?.devices = [nothing, disk, pipe]
                // Root without CAP_DAC_OVERRIDE is no owner here.
                $0.grant(["CAP_DAC_OVERRIDE"])
            }
            let lines = [
                "nothing character special file 1:3 640 3:4", "sub/disk block special file fe:0 600 0:0",
                "pipe fifo 0:0 622 0:0", "through",
            ]
            #expect(result.lines == lines, "\(result)")
        }
    }

    @Test func `a device that no rule allows cannot be opened (config-linux.md: Allowed Device list)`() async throws {
        try await withBundles("denied") { fixture in
            for isAllowed in [false, true] {
                let id = isAllowed ? "allowed" : "denied"
                let script = "mknod /tmp/log c 1 11; head -c 1 /tmp/log > /tmp/out && echo read; echo x > /tmp/log"
                let result = try await fixture.run(id, script) {
                    $0.grant(["CAP_MKNOD", "CAP_SYSLOG", "CAP_SYS_ADMIN"])
                    var rule = LinuxResources.DeviceRule(allow: true)
                    rule.type = "c"
                    rule.major = 1
                    rule.minor = 11
                    rule.access = "r"
                    if isAllowed { $0.linux?.resources?.devices?.append(rule) }
                }
                #expect(result.lines == (isAllowed ? ["read"] : []), "\(result)")
                let refusals = result.errors.split(separator: "\n").count { $0.contains("Operation not permitted") }
                #expect(refusals == (isAllowed ? 1 : 2), "\(result)")
            }
        }
    }
}
