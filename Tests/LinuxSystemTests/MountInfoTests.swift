import LinuxSystem
import Testing

/// proc_pid_mountinfo(5)
@Suite struct MountInfoTests {
    private static func mount(_ line: String) -> MountInfo? { MountInfo(line: Array(line.utf8)) }

    @Test func aLine() throws {
        let mount = try #require(
            Self.mount("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue"))
        #expect(mount.id == 36 && mount.parent == 35)
        #expect(mount.root == "/mnt1" && mount.mountPoint == "/mnt2" && mount.type == "ext3")
        // Without optional fields, and with a source that is empty.
        #expect(Self.mount("1 1 0:1 / / rw - tmpfs  rw")?.type == "tmpfs")
    }

    @Test func escapesAreUndone() throws {
        let mount = try #require(Self.mount(#"7 1 0:5 /r\040s /a\040b\011c\012d\134e\043f rw - proc proc rw"#))
        #expect(mount.root == "/r s")
        #expect(mount.mountPoint == "/a b\tc\nd\\e#f")
        // What is no escape stays: too short, no octal digit, more than a byte.
        #expect(Self.mount(#"7 1 0:5 / /a\04 rw - t s rw"#)?.mountPoint == #"/a\04"#)
        #expect(Self.mount(#"7 1 0:5 / /a\048b rw - t s rw"#)?.mountPoint == #"/a\048b"#)
        #expect(Self.mount(#"7 1 0:5 / /a\777b rw - t s rw"#)?.mountPoint == #"/a\777b"#)
        // An escaped backslash does not begin another escape.
        #expect(Self.mount(#"7 1 0:5 / /a\134040 rw - t s rw"#)?.mountPoint == #"/a\040"#)
        #expect(Self.mount("7 1 0:5 / /ü\u{20ac} rw - t s rw")?.mountPoint == "/ü\u{20ac}")
    }

    @Test(arguments: [
        "", "7", "7 1 0:5 / /a rw", "7 1 0:5 / /a rw -", "x 1 0:5 / /a rw - t s rw", "7 1 0:5 / /a rw t s",
    ])
    func noLine(line: String) { #expect(Self.mount(line) == nil) }

    @Test func truncated() {
        let line = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw"
        let needed = line.utf8.count - " /dev/root rw".utf8.count
        for length in 0..<line.utf8.count {
            let mount = MountInfo(line: Array(line.utf8.prefix(length)))
            #expect((mount?.type == "ext3") == (length >= needed), "\(length) bytes")
        }
    }

    @Test func theMountOfAPath() throws {
        let mounts = MountInfo.parse(
            Array(
                #"""
                1 0 0:1 / / rw - ext4 s rw
                2 1 0:2 / /a rw - ext4 s rw
                9 2 0:2 / /a rw - tmpfs s rw
                4 9 0:3 / /a/b\040c rw - ext4 s rw
                3 2 0:4 / /a rw - tmpfs s rw
                """#.utf8))
        #expect(mounts.count == 5)
        func id(_ path: String) -> Int? { MountInfo.containing(path, in: mounts)?.id }
        #expect(id("/") == 1 && id("/ab") == 1)
        #expect(id("/a/b c/d") == 4 && id("/a/b c") == 4)
        // 3 and 9 both lie on 2: the kernel lists the last one last.
        #expect(id("/a") == 3 && id("/a/b") == 3)
        #expect(MountInfo.top(at: "/a", in: mounts.dropLast())?.id == 9)
        #expect(MountInfo.top(at: "/nothing", in: mounts) == nil)
        #expect(mounts.filter { $0.lies(in: "/a") }.map(\.id) == [2, 9, 4, 3])
    }

    @Test func ownMounts() throws {
        #expect(try MountInfo.all().contains { $0.mountPoint == "/proc" && $0.type == "proc" })
    }
}
