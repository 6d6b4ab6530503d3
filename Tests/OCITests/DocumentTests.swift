import EngineModel
import JSON
import OCI
import Testing
import Values

@Suite struct DocumentTests {
    static func digest(_ character: Character) -> Digest { Digest(hex: String(repeating: character, count: 64))! }

    static let configurationText = """
        {"architecture":"amd64","os":"linux","variant":"v1","created":"2024-01-02T03:04:05.678Z","author":"me",
         "config":{"Env":["PATH=/bin","A=b"],"Cmd":["serve"],"Entrypoint":null,"ExposedPorts":{"80/tcp":{}},
          "Healthcheck":{"Test":["CMD","true"],"Interval":1000000000,"Retries":2},"Labels":{"k":"v"},"User":"7:8",
          "OnBuild":["RUN x"],"Shell":["/bin/bash","-c"],"StopSignal":"SIGINT","WorkingDir":"/w",
          "Volumes":{"/data":{}},"FutureField":[1]},
         "rootfs":{"type":"layers","diff_ids":["sha256:\(String(repeating: "a", count: 64))"]},
         "history":[{"created":"2024-01-02T03:04:05Z","created_by":"ADD x"},
          {"created_by":"CMD serve","empty_layer":true,"comment":"c"}],"moby.buildkit.v1":{"x":1}}
        """

    @Test("OCI image-spec: config, with Docker's additions")
    func configuration() throws {
        let configuration = try ImageConfiguration(parsing: Array(Self.configurationText.utf8))
        #expect(configuration.created?.description == "2024-01-02T03:04:05.678Z")
        #expect(configuration.architecture == "amd64" && configuration.variant == "v1" && configuration.author == "me")
        let parameters = configuration.parameters
        #expect(parameters.env == ["PATH=/bin", "A=b"] && parameters.cmd == ["serve"])
        #expect(parameters.entrypoint == nil && parameters.user == "7:8" && parameters.workingDir == "/w")
        #expect(parameters.exposedPorts?.keys.sorted() == ["80/tcp"] && parameters.volumes?.keys.sorted() == ["/data"])
        #expect(
            parameters.healthcheck
                == HealthConfiguration(test: ["CMD", "true"], interval: 1_000_000_000, retries: 2))
        #expect(parameters.onBuild == ["RUN x"] && parameters.shell == ["/bin/bash", "-c"])
        #expect(parameters.stopSignal == "SIGINT" && parameters.labels == ["k": "v"])
        #expect(configuration.diffIDs == [Self.digest("a")])
        #expect(configuration.history.map(\.isEmptyLayer) == [false, true])
        #expect(configuration.document["moby.buildkit.v1"]?["x"] == 1)
        #expect(configuration.document["config"]?["FutureField"] == [1])
    }

    @Test func aNewConfigurationIsReadBack() throws {
        var parameters = ExecutionParameters()
        parameters.cmd = ["a", "b"]
        let made = ImageConfiguration(
            platform: Platform(machine: "aarch64"), created: .epoch, parameters: parameters,
            diffIDs: [Self.digest("b")], history: [HistoryEntry(created: .epoch, comment: "Imported from -")])
        #expect(made.document["config"] == ["Cmd": ["a", "b"]])
        #expect(try ImageConfiguration(parsing: made.document.serialized()) == made)
        #expect(made.architecture == "arm64")
    }

    @Test(
        "configurations that are refused",
        arguments: [
            "[]", "{}", "{", #"{"rootfs":{"type":"windows"}}"#,
            #"{"rootfs":{"type":"layers","diff_ids":["sha256:1"]}}"#,
            #"{"rootfs":{"type":"layers","diff_ids":[]},"config":{"Env":"x"}}"#,
        ])
    func refusedConfiguration(text: String) {
        #expect(throws: OCIError.self) { try ImageConfiguration(parsing: Array(text.utf8)) }
    }

    @Test func manifest() throws {
        let manifest = ImageManifest(
            configuration: ContentDescriptor(mediaType: .ociConfiguration, digest: Self.digest("1"), size: 10),
            layers: [
                ContentDescriptor(mediaType: .ociLayerZstd, digest: Self.digest("2"), size: 20),
                ContentDescriptor(mediaType: .dockerLayerGzip, digest: Self.digest("3"), size: 30),
            ])
        #expect(try ImageManifest(parsing: manifest.serialized()) == manifest)
        #expect(manifest.layers.map(\.mediaType.layerCompression) == [.zstd, .gzip])
    }

    @Test(
        "manifests that are refused",
        arguments: [
            "{}", #"{"schemaVersion":1,"config":{},"layers":[]}"#,
            #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","config":C,"layers":[]}"#,
            #"{"schemaVersion":2,"config":C,"layers":[{"mediaType":"text/plain","digest":D,"size":1}]}"#,
            #"{"schemaVersion":2,"config":C,"layers":[{"mediaType":"L","digest":D,"size":-1}]}"#,
            #"{"schemaVersion":2,"config":{"mediaType":"x","digest":"sha256:zz","size":1},"layers":[]}"#,
        ])
    func refusedManifest(text: String) {
        let digest = "\"\(Self.digest("1"))\""
        let layer = MediaType.ociLayer.name
        let text = text.replacing("\"L\"", with: "\"\(layer)\"").replacing(
            "C", with: #"{"mediaType":"x","digest":D,"size":1}"#
        ).replacing("D", with: digest)
        #expect(throws: OCIError.self) { try ImageManifest(parsing: Array(text.utf8)) }
    }

    @Test func indexChoosesThePlatform() {
        func descriptor(_ character: Character, _ platform: Platform?) -> ContentDescriptor {
            ContentDescriptor(mediaType: .ociManifest, digest: Self.digest(character), size: 1, platform: platform)
        }
        let index = ImageIndex(manifests: [
            descriptor("1", Platform(architecture: "arm64")), descriptor("2", Platform(architecture: "amd64")),
            descriptor("3", Platform(architecture: "unknown", os: "unknown")),
        ])
        #expect(index.manifest(for: Platform(machine: "x86_64"))?.digest == Self.digest("2"))
        #expect(index.manifest(for: Platform(machine: "aarch64"))?.digest == Self.digest("1"))
        #expect(index.manifest(for: Platform(machine: "s390x")) == nil)
    }

    @Test func dockerArchive() throws {
        let items = [
            DockerArchiveItem(configuration: "c.json", references: ["x:1"], layers: ["a/layer.tar"]),
            DockerArchiveItem(configuration: "d.json", references: [], layers: []),
        ]
        #expect(try DockerArchiveItem.parse(DockerArchiveItem.serialize(items)) == items)
        #expect(throws: OCIError.self) { try DockerArchiveItem.parse(Array(#"{"Config":1}"#.utf8)) }
    }

    /// OCI image-spec: Layer ChainID.
    @Test func chainIDs() {
        var hashed: [String] = []
        let chain = ChainID.chain(of: [Self.digest("a"), Self.digest("b"), Self.digest("c")]) { bytes in
            hashed.append(String(decoding: bytes, as: UTF8.self))
            return Self.digest(hashed.count == 1 ? "d" : "e")
        }
        #expect(chain == [Self.digest("a"), Self.digest("d"), Self.digest("e")])
        #expect(
            hashed == ["\(Self.digest("a")) \(Self.digest("b"))", "\(Self.digest("d")) \(Self.digest("c"))"])
    }

    @Test("containerd: platform specifiers")
    func platformsFromText() throws {
        let host = Platform(machine: "x86_64")
        for (text, platform) in [
            ("linux/amd64", "linux/amd64"), ("linux/x86_64", "linux/amd64"), ("linux", "linux/amd64"),
            ("aarch64", "linux/arm64"), ("Linux/ARM/v7", "linux/arm/v7"),
        ] {
            #expect(try Platform(parsing: text, host: host).description == platform)
        }
        for text in ["", "/", "linux/", "a/b/c/d", "plan10", "linux/a b"] {
            #expect(throws: OCIError.self, "\(text)") { try Platform(parsing: text, host: host) }
        }
    }
}
