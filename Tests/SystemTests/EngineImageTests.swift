import JSON
import LinuxSystem
import TestSupport
import Testing

extension EngineSystemTests {
    @Suite(.enabled(if: EngineHost.isDriven, EngineHost.drivenReason))
    struct ImageTests {
        /// On busybox: files with everything a layer can say, then whiteouts (OCI image-spec, layer.md).
        static let layers: [[UInt8]] = {
            var second = TestArchive()
            second.add("file", .file(Array("one".utf8)), mode: 0o4755, owner: 12, group: 34)
            second.add("link", .hardLink("file"), mode: 0o4755, owner: 12, group: 34)
            second.add("pointer", .symbolicLink("/etc/passwd"))
            second.add("pipe", .fifo, mode: 0o620)
            second.add("gone", .file(Array("g".utf8)))
            second.add("opaque", .directory, mode: 0o750, owner: 5)
            second.add("opaque/old", .file(Array("old".utf8)))
            second.add("secret", .file(Array("secret".utf8)), mode: 0o600)
            second.add("able", .directory, mode: 0o755)
            // capability.7: version 2, effective, CAP_DAC_OVERRIDE permitted.
            let capability: [UInt8] = [1, 0, 0, 2, 2] + [UInt8](repeating: 0, count: 15)
            second.add(
                "able/cat", .file(TestImage.busybox), mode: 0o755,
                attributes: [("security.capability", capability)])
            var third = TestArchive()
            third.add(".wh.gone", .file([]))
            third.add("opaque", .directory, mode: 0o711, owner: 6)
            third.add("opaque/.wh..wh..opq", .file([]))
            third.add("opaque/new", .file(Array("new".utf8)))
            return [TestImage.baseLayer, second.closed, third.closed]
        }()

        private func expectContent(_ host: EngineHost, _ image: String) async throws {
            let script = """
                stat -c '%n %a %u %g %h %F' /file /link /opaque /opaque/* /pipe; readlink /pointer; cat /link; echo
                ls /gone 2>/dev/null || echo none
                """
            let seen = try await host.docker("run", "--rm", image, "sh", "-c", script)
            #expect(
                seen == """
                    /file 4755 12 34 2 regular file
                    /link 4755 12 34 2 regular file
                    /opaque 711 6 0 2 directory
                    /opaque/new 644 0 0 1 regular file
                    /pipe 620 0 0 1 fifo
                    /etc/passwd
                    one
                    none
                    """, "\(image)")
            // An attribute is seen by what it does: the program may read what its user may not.
            #expect(try await host.docker("run", "--rm", "-u", "1000", image, "/able/cat", "/secret") == "secret")
            #expect(try await host.attempt(["run", "--rm", "-u", "1000", image, "cat", "/secret"]).code == 1)
        }

        @Test func archivesOfEveryForm() async throws {
            try await EngineHost.with("forms") { host in
                let plain = try TestImage.archive(named: "plain:1", layers: Self.layers)
                var forms: [(name: String, bytes: [UInt8])] = [
                    ("plain", plain), ("plain", try Command.runBlocking(["gzip", "-c"], input: plain).outputBytes),
                    ("ogzip", try TestImage.layout(named: "ogzip:1", layers: Self.layers, .gzip)),
                ]
                if TestEnvironment.command("zstd") == nil {
                    print("skipped: zstd is not installed, so archives compressed with it are not loaded")
                } else {
                    forms.append(("plain", try Command.runBlocking(["zstd", "-c"], input: plain).outputBytes))
                    forms.append(("ozstd", try TestImage.layout(named: "ozstd:1", layers: Self.layers, .zstd)))
                }
                for (name, bytes) in forms {
                    let path = host.files.path("\(name).tar")
                    try Files.write(path, bytes)
                    #expect(try await host.docker("load", "-i", path) == "Loaded image: \(name):1")
                    try await expectContent(host, "\(name):1")
                }
                // The same layers in every image, also those of the first: each lies on the disk once.
                let layers = try await host.exec("ls", "/var/lib/martlet/images/layers").output.split(separator: "\n")
                #expect(layers.count == Self.layers.count)
            }
        }

        @Test func savedAndLoadedAgain() async throws {
            try await EngineHost.with("save") { host in
                try await host.load(TestImage.archive(named: "lay:1", layers: Self.layers), as: "lay.tar")
                let identifier = try await host.inspect("lay:1", ".Id")
                let path = host.files.path("saved.tar")
                try await host.docker("save", "-o", path, "lay:1", EngineHost.image)
                try await host.docker("rmi", "lay:1", EngineHost.image)
                #expect(try await host.docker("images", "-q") == "")
                #expect(try await host.exec("ls", "/var/lib/martlet/images/layers").output == "")
                let loaded = try await host.docker("load", "-i", path)
                #expect(loaded.contains("Loaded image: lay:1") && loaded.contains("Loaded image: \(EngineHost.image)"))
                #expect(try await host.inspect("lay:1", ".Id") == identifier)
                try await expectContent(host, "lay:1")
                // A second save is the first, byte for byte: nothing of the time or place is in it.
                try await host.docker("save", "-o", host.files.path("again.tar"), "lay:1", EngineHost.image)
                #expect(try Files.read(path) == Files.read(host.files.path("again.tar")))
            }
        }

        @Test func namesHistoryAndRemoval() async throws {
            try await EngineHost.with("names") { host in
                let layer = host.files.path("layer.tar")
                try Files.write(layer, TestImage.baseLayer)
                let imported = try await host.docker(
                    "import", "-m", "from a tree", "-c", "ENV PATH=/bin", "-c", "CMD [\"echo\", \"imported\"]", layer,
                    "made:1")
                #expect(try await host.docker("run", "--rm", "made:1") == "imported")
                #expect(try await host.docker("history", "--format", "{{.Comment}}", "made:1") == "from a tree")
                #expect(try await host.inspect("made:1", "json .RepoTags") == #"["made:1"]"#)
                #expect(try await host.inspect("made:1", "len .RootFS.Layers") == "1")
                try await host.docker("tag", "made:1", "host.example:5000/team/made:v2")
                let listed = try await host.docker(
                    "images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}", "--filter",
                    "reference=host.example:5000/*/*")
                #expect(listed == "host.example:5000/team/made:v2 \(imported)")
                #expect(try await host.docker("rmi", "made:1") == "Untagged: made:1")
                let removed = try await host.docker("rmi", "host.example:5000/team/made:v2")
                #expect(removed.contains("Untagged: host.example:5000/team/made:v2"))
                #expect(removed.contains("Deleted: \(imported)"))
                // One layer, made by two images: it stays with the other.
                #expect(try await host.output([], "cat /data/seed") == "seed")
                try await host.docker("run", "-d", "--name", "user", EngineHost.image, "sleep", "1000")
                let refused = try await host.attempt(["rmi", EngineHost.image])
                #expect(refused.code == 1)
                #expect(refused.errorOutput.contains("conflict: unable to remove repository reference \"box:1\""))
                #expect(try await host.docker("exec", "user", "cat", "/data/seed") == "seed")
            }
        }

        @Test func badArchivesChangeNothing() async throws {
            func with(_ name: String, _ content: TestArchive.Content) throws -> [UInt8] {
                var layer = TestArchive()
                layer.add(name, content)
                return try TestImage.archive(named: "bad:1", layers: [TestImage.baseLayer, layer.closed])
            }
            let whole = try TestImage.archive(named: "bad:1", layers: Self.layers)
            var through = TestArchive()
            through.add("out", .symbolicLink("../../../../../../../../tmp/martlet-escaped"))
            through.add("out/evil", .file([1]))
            var nameless = TestArchive()
            nameless.add("../manifest.json", .file(Array("[]".utf8)))
            var elsewhere = TestArchive()
            elsewhere.add(
                "manifest.json",
                .file(Array(#"[{"Config":"../../../../etc/passwd","RepoTags":["bad:1"],"Layers":[]}]"#.utf8)))
            let corrupted = try TestImage.archive(named: "bad:1", layers: Self.layers) { index, layer in
                guard index == 2 else { return layer }
                var layer = layer
                layer[layer.count - 1500] ^= 1
                return layer
            }
            let table: [(archive: [UInt8], message: String)] = [
                (Array(whole.prefix(whole.count / 2)), "runcated"),
                (corrupted, "invalid diffID for layer 2: expected"),
                (try with("../../evil", .file([1])), "leads out of the archive"),
                (try with("/evil", .file([1])), "an absolute path"),
                (try with("hard", .hardLink("../../../../../etc/passwd")), "leads out of the archive"),
                (
                    try TestImage.archive(named: "bad:1", layers: [TestImage.baseLayer, through.closed]),
                    "leads out of the archive"
                ),
                (try with(".wh...", .file([])), "a whiteout of no name"),
                (nameless.closed, "leads out of the archive"), (elsewhere.closed, "passwd"),
                ([UInt8](repeating: 0x41, count: 4096), "invalid archive"), ([], "invalid archive"),
            ]
            try await EngineHost.with("bad") { host in
                let before = try await host.traces()
                for (index, entry) in table.enumerated() {
                    let path = host.files.path("bad.tar")
                    try Files.write(path, entry.archive)
                    let refused = try await host.attempt(["load", "-i", path])
                    #expect(refused.code == 1, "archive \(index)")
                    #expect(refused.errorOutput.contains(entry.message), "archive \(index): \(refused.errorOutput)")
                }
                for tree in [Array(TestImage.baseLayer.prefix(100_000)), [UInt8](repeating: 0x41, count: 4096)] {
                    #expect(try await host.attempt(["import", "-", "bad:2"], input: tree).code == 1)
                }
                #expect(try await host.traces() == before)
                #expect(!Files.exists("/tmp/martlet-escaped") && !Files.exists("/evil"))
                #expect(try await host.docker("images", "--format", "{{.Repository}}:{{.Tag}}") == EngineHost.image)
                #expect(try await host.output([], "cat /etc/passwd | wc -l") == "2")
            }
        }
    }
}
