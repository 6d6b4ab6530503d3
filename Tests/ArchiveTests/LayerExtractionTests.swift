import Archive
import CLinux
import Glibc
import LinuxSystem
import TestSupport
import Testing
import Values

/// OCI image-spec: layer.
@Suite(.enabled(if: TestEnvironment.isRoot, "needs root"))
struct LayerExtractionTests {
    @Test func everyKindOfFile() throws {
        let fixture = try Fixture()
        let time = Timestamp(secondsSinceEpoch: 1_234_567_890, nanoseconds: 5)
        var tool = ArchiveEntry("bin/tool", mode: 0o4755)
        tool.owner = 7
        tool.group = 8
        tool.modified = time
        tool.attributes = ["user.note": Array("n".utf8), "security.selinux": Array("x".utf8)]
        tool.attributes["security.capability"] = [1, 0, 0, 2, 0, 4, 0, 0] + [UInt8](repeating: 0, count: 12)
        tool.attributes["trusted.overlay.redirect"] = Array("/etc".utf8)
        var bin = ArchiveEntry("bin/", .directory, mode: 0o2751)
        bin.modified = time
        let summary = try fixture.unpack([
            (bin, ""), (tool, "data"), hardLink("bin/other", to: "bin/tool"), link("bin/abs", to: "/etc/passwd"),
            link("sbin", to: "bin"), file("sbin/through", "t"), file("deep/er/file", "d"),
            (ArchiveEntry("dev/null", .characterDevice(major: 1, minor: 3), mode: 0o666), ""),
            (ArchiveEntry("dev/disk", .blockDevice(major: 8, minor: 1), mode: 0o660), ""),
            (ArchiveEntry("pipe", .fifo, mode: 0o622), ""), file("größe/名", "u"),
            file("long/" + String(repeating: "n", count: 200), "l"),
        ])
        #expect(summary.fileBytes == 8)
        let status = try #require(fixture.status("bin/tool"))
        #expect(status.st_mode & 0o7777 == 0o4755 && status.st_uid == 7 && status.st_gid == 8)
        #expect(status.st_mtim.tv_sec == 1_234_567_890 && status.st_mtim.tv_nsec == 5 && status.st_nlink == 2)
        #expect(fixture.status("bin/other")?.st_ino == status.st_ino)
        #expect(try fixture.attribute("bin/tool", "user.note") == "n")
        #expect(try fixture.attribute("bin/tool", "security.capability") != nil)
        #expect(try fixture.attribute("bin/tool", "trusted.overlay.redirect") == nil)
        let parent = try #require(fixture.status("bin"))
        #expect(parent.st_mode & 0o7777 == 0o2751 && parent.st_mtim.tv_sec == 1_234_567_890)
        #expect(try fixture.text("bin/through") == "t", "a link within the root is followed within the root")
        #expect(fixture.status("deep")?.st_mode == S_IFDIR | 0o755)
        #expect(fixture.status("dev/null")?.st_mode == S_IFCHR | 0o666)
        #expect(fixture.status("dev/null")?.st_rdev == 0x103)
        #expect(fixture.status("dev/disk")?.st_mode == S_IFBLK | 0o660)
        #expect(fixture.status("pipe")?.st_mode == S_IFIFO | 0o622)
        #expect(try fixture.text("größe/名") == "u")
        #expect(try fixture.text("long/" + String(repeating: "n", count: 200)) == "l")
        var target = [CChar](repeating: 0, count: 64)
        #expect(readlink(fixture.path("bin/abs"), &target, 64) == 11, "an absolute link is the container's business")
    }

    @Test("Names that are not UTF-8 stay as they are")
    func bytesAsNames() throws {
        let fixture = try Fixture()
        try fixture.unpack([(ArchiveEntry(path: [0x66, 0xff, 0x66], kind: .file, mode: 0o644), "x")])
        let root = try Descriptor.open(fixture.root, O_RDONLY)
        #expect(faccessat(root.rawValue, [0x66, -1, 0x66, 0], F_OK, 0) == 0)
    }

    @Test("a tree thousands of directories deep, and its removal")
    func depth() throws {
        let fixture = try Fixture()
        // Each step through a link begins where the one before it ended.
        var entries: [(ArchiveEntry, String)] = []
        for step in 0..<20 {
            let start = step == 0 ? "" : "l\(step - 1)/"
            let path = start + Array(repeating: "d", count: 100).joined(separator: "/")
            entries.append(directory(path))
            let target = Array(repeating: "d", count: 100 * (step + 1)).joined(separator: "/")
            entries.append(link("l\(step)", to: target))
        }
        try fixture.unpack(entries)
        try fixture.unpack([file("d", "a file in its place")])
        #expect(try fixture.text("d") == "a file in its place")
    }

    @Test func laterEntriesReplace() throws {
        let fixture = try Fixture()
        try fixture.unpack([
            directory("a"), file("a/b", "1"), file("a", "2"), file("c", "3"), directory("c"), file("c/d", "4"),
            link("e", to: "c"), file("e", "5"), file("f", "6"), hardLink("g", to: "f"), file("g", "7"),
        ])
        #expect(try fixture.text("a") == "2")
        #expect(try fixture.text("c/d") == "4")
        #expect(try fixture.text("e") == "5")
        #expect(try fixture.text("f") == "6", "a file is replaced, not written into")
        #expect(try fixture.text("g") == "7")
    }

    @Test("OCI image-spec: Whiteouts, as overlayfs has them")
    func whiteouts() throws {
        let fixture = try Fixture()
        try fixture.unpack([
            directory("d"), file("d/.wh.gone"), file(".wh.top"), directory("o"), file("o/.wh..wh..opq"), file("o/new"),
            file(".wh.back"), directory("back"), file("back/x"), file("kept", "k"), file(".wh.kept"),
            file(".wh.made"), file("made/below", "m"), file(".wh..wh.plnk"),
        ])
        #expect(fixture.isWhiteout("d/gone") && fixture.isWhiteout("top"))
        #expect(try fixture.attribute("o", "trusted.overlay.opaque") == "y")
        #expect(try fixture.attribute("d", "trusted.overlay.opaque") == nil)
        #expect(try fixture.attribute("back", "trusted.overlay.opaque") == "y", "hidden below, made anew here")
        #expect(try fixture.attribute("made", "trusted.overlay.opaque") == "y")
        #expect(try fixture.text("kept") == "k", "a whiteout hides lower layers alone")
        #expect(try Files.list(fixture.root) == ["back", "d", "kept", "made", "o", "top"])
    }

    @Test(
        "archives that lead out are refused",
        arguments: [
            [file("../x", "evil")], [file("a/../../x", "evil")], [file("/x", "evil")], [directory("..")],
            [link("a", to: "../x")], [link("d/a", to: "../../x")], [file("f"), hardLink("a", to: "../outside")],
            [hardLink("a", to: "/etc/passwd")], [file("d/.wh..")], [file("d/.wh...")], [file(".wh.")],
        ])
    func escapes(entries: [(ArchiveEntry, String)]) throws {
        let fixture = try Fixture()
        try fixture.directory.write("outside", "safe")
        let error = #expect(throws: ArchiveError.self) { try fixture.unpack(entries) }
        #expect(error?.kind == .escape, "\(String(describing: error))")
        #expect(error?.path != nil)
        #expect(try Files.list(fixture.directory.path) == ["archive.tar", "outside", "root"])
        #expect(try Files.text(fixture.directory.path("outside")) == "safe")
    }

    @Test("links are followed nowhere but inside")
    func throughLinks() throws {
        let fixture = try Fixture()
        let outside = fixture.directory.path("outside")
        try Files.makeDirectories(outside)
        try fixture.unpack([
            directory("up" + outside), link("out", to: outside), directory(String(outside.dropFirst())),
            file("out/x", "contained"), hardLink("mine", to: "out/x"),
        ])
        #expect(try Files.list(outside).isEmpty)
        #expect(try fixture.text(String(outside.dropFirst()) + "/x") == "contained")
        #expect(try fixture.text("mine") == "contained")
        // A link that dangles within the root is not made real by writing through it.
        #expect(throws: ArchiveError.self) { try fixture.unpack([link("l", to: "/nowhere"), file("l/x", "evil")]) }
        #expect(fixture.status("nowhere") == nil)
        // Replacing a link does not touch what it names.
        try Files.write(outside + "/victim", "safe")
        try fixture.unpack([link("v", to: outside + "/victim"), file("v", "evil")])
        #expect(try Files.text(outside + "/victim") == "safe")
    }

    @Test func hardLinksNeedTheirFile() throws {
        let fixture = try Fixture()
        for entries in [
            [hardLink("a", to: "missing")], [directory("d"), hardLink("a", to: "d")],
            [file("a"), hardLink("a", to: "a")],
            [file(".wh.w"), hardLink("a", to: "w")],
        ] {
            let error = #expect(throws: ArchiveError.self) { try fixture.unpack(entries) }
            #expect(error?.kind == .corrupted)
        }
    }

    @Test func limits() throws {
        let fixture = try Fixture()
        try fixture.write([file("a", String(repeating: "x", count: 5000)), file("b")])
        func kind(_ limits: ArchiveLimits) -> ArchiveError.Kind? {
            do { try fixture.extract(limits: limits) } catch { return (error as? ArchiveError)?.kind }
            return nil
        }
        #expect(kind(ArchiveLimits()) == nil)
        #expect(kind(ArchiveLimits(bytes: 4999)) == .limit)
        #expect(kind(ArchiveLimits(entries: 1)) == .limit)
        #expect(kind(ArchiveLimits(pathBytes: 0)) == .limit)
        try fixture.write([file(String(repeating: "n", count: 256))])
        #expect(kind(ArchiveLimits()) == .limit)
    }

    @Test("a sparse file stays sparse and keeps its length")
    func sparse() async throws {
        let fixture = try Fixture()
        let source = fixture.directory.path("sparse")
        try Files.write(source, "begin")
        truncate(source, 1 << 30)
        let made = try await Command.run(["tar", "-C", fixture.directory.path, "-S", "-cf", fixture.archive, "sparse"])
        #expect(made.succeeded, "\(made.errorOutput)")
        try fixture.extract()
        let status = try #require(fixture.status("sparse"))
        #expect(status.st_size == 1 << 30 && status.st_blocks < 1000)
    }
}
