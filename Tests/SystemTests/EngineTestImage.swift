import JSON
import LinuxSystem
import TestSupport

/// A tar archive made byte by byte, also such as no tool would make (POSIX pax, ustar).
struct TestArchive {
    enum Content {
        case file([UInt8])
        case directory
        case symbolicLink(String)
        case hardLink(String)
        case fifo
    }

    private(set) var bytes: [UInt8] = []

    mutating func add(
        _ name: String, _ content: Content, mode: Int = 0o644, owner: Int = 0, group: Int = 0,
        attributes: [(name: String, value: [UInt8])] = []
    ) {
        if !attributes.isEmpty {
            var records: [UInt8] = []
            for attribute in attributes {
                let body = Array(" SCHILY.xattr.\(attribute.name)=".utf8) + attribute.value + [0x0a]
                // The length counts itself.
                let length = body.count + String(body.count + 2).utf8.count
                records += Array(String(length).utf8) + body
            }
            append("pax", type: "x", records, mode: 0o644, owner: 0, group: 0)
        }
        switch content {
        case .file(let data): append(name, type: "0", data, mode: mode, owner: owner, group: group)
        case .directory: append(name, type: "5", [], mode: mode, owner: owner, group: group)
        case .symbolicLink(let to): append(name, type: "2", [], link: to, mode: 0o777, owner: owner, group: group)
        case .hardLink(let to): append(name, type: "1", [], link: to, mode: mode, owner: owner, group: group)
        case .fifo: append(name, type: "6", [], mode: mode, owner: owner, group: group)
        }
    }

    /// The archive with its end.
    var closed: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

    private mutating func append(
        _ name: String, type: Character, _ data: [UInt8], link: String = "", mode: Int, owner: Int, group: Int
    ) {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, _ offset: Int) {
            header.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8)
        }
        func octal(_ number: Int, _ offset: Int, _ digits: Int) {
            let text = String(number, radix: 8)
            put(String(repeating: "0", count: digits - text.count) + text, offset)
        }
        put(name, 0)
        octal(mode, 100, 7)
        octal(owner, 108, 7)
        octal(group, 116, 7)
        octal(data.count, 124, 11)
        octal(0, 136, 11)
        put(String(repeating: " ", count: 8) + String(type), 148)
        put(link, 157)
        put("ustar\u{0}00", 257)
        octal(header.reduce(0) { $0 + Int($1) }, 148, 6)
        header[154] = 0
        bytes += header + data + [UInt8](repeating: 0, count: (512 - data.count % 512) % 512)
    }
}

/// Images made for the tests.
enum TestImage {
    /// How an OCI layout's layers are compressed.
    enum Compression: String { case gzip, zstd }

    /// Busybox with all its names, two users and a file in `/data`.
    static let baseLayer: [UInt8] = {
        var archive = TestArchive()
        for directory in ["bin", "etc", "data", "root"] { archive.add(directory, .directory, mode: 0o755) }
        archive.add("tmp", .directory, mode: 0o1777)
        archive.add("bin/busybox", .file(busybox), mode: 0o755)
        let names = (try? Command.runBlocking(["busybox", "--list"]).lines) ?? []
        for name in names where name != "busybox" { archive.add("bin/" + name, .symbolicLink("busybox")) }
        archive.add("etc/passwd", .file(Array("root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000::/tmp:/bin/sh\n".utf8)))
        archive.add("etc/group", .file(Array("root:x:0:\nbob:x:1000:\nstaff:x:50:bob\n".utf8)))
        archive.add("data/seed", .file(Array("seed\n".utf8)))
        return archive.closed
    }()

    /// Debian's static busybox.
    static let busybox = (try? Files.read(TestEnvironment.command("busybox") ?? "")) ?? []

    static func base(named name: String) throws -> [UInt8] { try archive(named: name, layers: [baseLayer]) }

    /// A docker-archive (Docker Image Specification 1.2).
    ///
    /// - Parameter mangle: changes a layer after its digest was taken.
    static func archive(
        named name: String, layers: [[UInt8]], mangle: (Int, [UInt8]) -> [UInt8] = { $1 }
    ) throws -> [UInt8] {
        let configuration = try configuration(layers)
        var archive = TestArchive()
        archive.add("configuration.json", .file(configuration))
        for (index, layer) in layers.enumerated() { archive.add("\(index).tar", .file(mangle(index, layer))) }
        let manifest: JSONValue = [
            [
                "Config": "configuration.json", "RepoTags": [.string(name)],
                "Layers": .array(layers.indices.map { .string("\($0).tar") }),
            ]
        ]
        archive.add("manifest.json", .file(manifest.serialized()))
        return archive.closed
    }

    /// An OCI image layout (image-layout.md) in an archive.
    static func layout(named name: String, layers: [[UInt8]], _ compression: Compression) throws -> [UInt8] {
        var archive = TestArchive()
        archive.add("oci-layout", .file(Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8)))
        func blob(_ bytes: [UInt8], _ type: String) throws -> JSONValue {
            let digest = try digest(bytes)
            archive.add("blobs/sha256/\(digest)", .file(bytes))
            return [
                "mediaType": .string("application/vnd.oci.image.\(type)"), "digest": .string("sha256:" + digest),
                "size": .integer(Int64(bytes.count)),
            ]
        }
        let config = try blob(try configuration(layers), "config.v1+json")
        let stored = try layers.map { layer in
            let compressed = try Command.runBlocking([compression.rawValue, "-c"], input: layer)
            return try blob(compressed.outputBytes, "layer.v1.tar+\(compression.rawValue)")
        }
        let manifest: JSONValue = [
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config,
            "layers": .array(stored),
        ]
        var entry = try blob(manifest.serialized(), "manifest.v1+json")
        entry["annotations"] = ["io.containerd.image.name": .string("docker.io/library/" + name)]
        let index: JSONValue = ["schemaVersion": 2, "manifests": [entry]]
        archive.add("index.json", .file(index.serialized()))
        return archive.closed
    }

    private static func configuration(_ layers: [[UInt8]]) throws -> [UInt8] {
        let value: JSONValue = [
            "architecture": "amd64", "os": "linux", "config": ["Env": ["PATH=/bin"], "Cmd": ["sh"]],
            "rootfs": [
                "type": "layers", "diff_ids": .array(try layers.map { .string("sha256:" + (try digest($0))) }),
            ],
            "history": .array(layers.indices.map { ["created_by": .string("step \($0)")] }),
        ]
        return value.serialized()
    }

    static func digest(_ bytes: [UInt8]) throws -> String {
        String(try Command.runBlocking(["sha256sum"], input: bytes).output.prefix(64))
    }
}
