import Archive
import CLinux
import Glibc
import LinuxSystem
import TestSupport
import Testing
import Values

@Suite(.enabled(if: TestEnvironment.isRoot, "needs root"))
struct StreamTests {
    static let entries = [directory("d"), file("d/f", String(repeating: "abc", count: 50_000)), link("l", to: "d/f")]

    @Test("compressed or not, the same comes out", arguments: [nil, ArchiveCompression.gzip, .zstd])
    func compressions(compression: ArchiveCompression?) throws {
        let fixture = try Fixture()
        try fixture.write(Self.entries, compression: compression)
        try fixture.extract()
        #expect(try fixture.text("d/f").utf8.count == 150_000)
    }

    @Test func theTapSeesEveryByteOnce() throws {
        let fixture = try Fixture()
        try fixture.write(Self.entries)
        let plain = try Files.read(fixture.archive)
        try fixture.write(Self.entries, compression: .gzip)
        let file = try Descriptor.open(fixture.archive, O_RDONLY)
        var seen: [UInt8] = []
        let input = try DecompressedInput(file.rawValue) { seen += $0 }
        let reader = try TarReader(input)
        while try reader.next() != nil {}
        try reader.finish()
        #expect(seen == plain)
        #expect(input.byteCount == Int64(plain.count))
    }

    @Test("cut short anywhere within an entry", arguments: [nil, ArchiveCompression.gzip, .zstd])
    func truncated(compression: ArchiveCompression?) throws {
        let fixture = try Fixture()
        // Data that hardly compresses, so that every cut falls into it.
        var generator = SystemRandomNumberGenerator()
        let noise = (0..<100_000).map { _ in Character(UnicodeScalar(UInt8.random(in: 33...126, using: &generator))) }
        try fixture.write([file("f", String(noise))], compression: compression)
        let whole = try Files.read(fixture.archive)
        for length in [1, 100, 513, 700, 30_000, 60_000, 75_000] {
            try Files.write(fixture.archive, Array(whole.prefix(length)))
            let error = #expect(throws: ArchiveError.self, "at \(length)") { try fixture.extract() }
            #expect(error?.kind == .corrupted)
        }
    }

    @Test(arguments: ["not a tar archive at all", String(repeating: "x", count: 2000), "\u{1f}"])
    func garbage(text: String) throws {
        let fixture = try Fixture()
        try Files.write(fixture.archive, text)
        #expect(throws: ArchiveError.self) { try fixture.extract() }
    }

    @Test("no bytes and nothing but zeros are empty archives")
    func empty() throws {
        let fixture = try Fixture()
        for bytes in [[], [UInt8](repeating: 0, count: 1024)] {
            try Files.write(fixture.archive, bytes)
            #expect(try fixture.extract().entries == 0)
        }
    }

    @Test("a tree becomes an archive and the same tree again", arguments: [TarWriter.TreeForm.plain, .layer])
    func roundTrip(form: TarWriter.TreeForm) throws {
        let first = try Fixture()
        var owned = ArchiveEntry("d/owned", mode: 0o4711)
        owned.owner = 70_000
        owned.group = 5
        owned.modified = Timestamp(secondsSinceEpoch: 1_000_000, nanoseconds: 7)
        owned.attributes = ["user.k": [1, 2, 3]]
        try first.unpack([
            directory("d"), (owned, "data"), hardLink("h", to: "d/owned"), link("l", to: "/abs"), file("d/ü", "u"),
            (ArchiveEntry("p", .fifo, mode: 0o600), ""), file("d/.wh.gone"), directory("o"), file("o/.wh..wh..opq"),
            (ArchiveEntry("n", .characterDevice(major: 1, minor: 5), mode: 0o666), ""),
        ])
        let second = try Fixture()
        do {
            let output = try Descriptor.open(second.archive, O_WRONLY | O_CREAT)
            let tree = try Descriptor.open(first.root, O_RDONLY | O_DIRECTORY)
            let writer = try TarWriter(output.rawValue)
            try writer.writeTree(tree.rawValue, form: form)
            try writer.finish()
        }
        try second.extract()
        let status = try #require(second.status("d/owned"))
        #expect(status.st_uid == 70_000 && status.st_gid == 5 && status.st_mode & 0o7777 == 0o4711)
        #expect(status.st_mtim.tv_sec == 1_000_000 && status.st_mtim.tv_nsec == 7 && status.st_nlink == 2)
        #expect(try second.attribute("d/owned", "user.k") == "\u{1}\u{2}\u{3}")
        #expect(second.status("n")?.st_rdev == 0x105 && second.status("p")?.st_mode == S_IFIFO | 0o600)
        #expect(second.isWhiteout("d/gone"))
        #expect(try second.attribute("o", "trusted.overlay.opaque") == (form == .layer ? "y" : nil))
        #expect(try Files.list(second.root) == Files.list(first.root))
        #expect(try Files.list(second.path("d")) == Files.list(first.path("d")))
    }
}
