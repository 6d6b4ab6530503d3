import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// Arrows between targets point down, are declared, and match what the sources import (docs/architecture.md).
@Suite struct ArrowTests {
    /// Lowest layer first. A target may depend on targets of lower layers, and on those of its own without a cycle.
    static let layers: [[String]] = [
        ["CLinux", "CGuardedStart", "CLab", "CSQLite", "CSeccomp", "CArchive"],
        [
            "Values", "JSON", "HTTPMessages", "OCI", "RuntimeProtocol", "RuntimeSpec", "EngineModel", "NetworkModel",
            "RaftCore", "ClusterModel", "ClusterHistory", "WatchModel", "Scheduling", "Orchestration", "SessionModel",
            "AgentModel",
        ],
        ["LinuxSystem", "Executors", "SQLite", "Netlink", "Cgroups", "Seccomp", "SystemdUnits", "Archive"],
        [
            "NameService", "Dataplane", "ContainerRuntime", "Containment", "ContainerShim", "ImageStore", "ClusterPKI",
            "ClusterRPC", "ClusterStore", "ClusterBackup", "DatabaseCipher", "RaftNode", "HTTPTransport",
        ],
        ["Engine", "Agent", "ClusterManager"],
        ["EngineClient", "Lab", "EngineAPI", "Commands", "RuntimeCommands", "SimulationKit", "Chaos", "Benchmarks"],
        ["martlet", "martletd", "martlet-net", "martlet-runtime", "martlet-sim", "martlet-chaos", "martlet-bench"],
    ]
    static let cores = Set(layers[1])
    static let coreExternals: Set<String> = ["Collections", "Swift"]
    static let withoutFoundation = cores.union(layers[2]).union([
        "martlet-runtime", "RuntimeCommands", "ContainerShim", "Containment",
    ])

    static let root: String = {
        let parts = #filePath.split(separator: "/")
        return "/" + parts.dropLast(3).joined(separator: "/")
    }()

    /// Target names and the names of what they depend on, read from the package description.
    static func declared() -> [String: Set<String>] {
        guard let manifest = read(root + "/Package.swift") else { return [:] }
        let external = externalProducts(in: manifest)
        var result: [String: Set<String>] = [:]
        let text = manifest.split(separator: "targets: [\n        // Executables", maxSplits: 1).last ?? ""
        for piece in text.split(separator: "\n        layer(") + text.split(separator: "\n        program(") {
            let strings = quoted(in: piece.split(separator: "\n        //").first ?? piece)
            guard let name = strings.first, layers.contains(where: { $0.contains(name) }) else { continue }
            let body = String(piece.prefix(while: { $0 != "]" }))
            var dependencies = Set(quoted(in: body[...]).dropFirst())
            for (constant, product) in external where mentions(body, "External.\(constant)") {
                dependencies.insert(product)
            }
            if body.contains("\"\(name)\"") { result[name] = result[name] ?? dependencies }
        }
        return result
    }

    static func externalProducts(in manifest: String) -> [String: String] {
        var result: [String: String] = [:]
        let pieces = manifest.split(separator: "static let ")
        for piece in pieces.dropFirst() {
            guard let equals = piece.firstIndex(of: "=") else { continue }
            let constant = piece[..<equals].filter { !$0.isWhitespace }
            if let product = quoted(in: piece[equals...]).first { result[constant] = product }
        }
        return result
    }

    static func mentions(_ body: String, _ word: String) -> Bool {
        var rest = body[...]
        while let range = rest.firstRange(of: word) {
            if range.upperBound == rest.endIndex || !rest[range.upperBound].isLetter && !rest[range.upperBound].isNumber
            {
                return true
            }
            rest = rest[range.upperBound...]
        }
        return false
    }

    static func quoted(in text: Substring) -> [String] {
        text.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
            .filter { $0.offset % 2 == 1 }.map { String($0.element) }
    }

    static func read(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 {
            bytes.append(contentsOf: buffer[..<count])
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func swiftFiles(under directory: String) -> [String] {
        guard let handle = opendir(directory) else { return [] }
        defer { closedir(handle) }
        var files: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafePointer(to: entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasPrefix(".") { continue }
            let path = directory + "/" + name
            if entry.pointee.d_type == UInt8(DT_DIR) {
                files += swiftFiles(under: path)
            } else if name.hasSuffix(".swift") {
                files.append(path)
            }
        }
        return files
    }

    static func imports(of target: String) -> Set<String> {
        var modules: Set<String> = []
        for file in swiftFiles(under: root + "/Sources/" + target) {
            for line in (read(file) ?? "").split(separator: "\n") {
                let words = line.split(separator: " ").filter { !$0.hasPrefix("@") }
                guard let position = words.firstIndex(of: "import"), position <= 1, position + 1 < words.count,
                    position == 0 || ["public", "internal", "package", "private"].contains(words[0])
                else { continue }
                let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "typealias"]
                let name =
                    kinds.contains(words[position + 1]) && position + 2 < words.count
                    ? words[position + 2] : words[position + 1]
                modules.insert(String(name.prefix { $0 != "." }))
            }
        }
        return modules
    }

    @Test func everyTargetHasALayer() {
        let declared = Self.declared()
        let known = Set(Self.layers.flatMap { $0 })
        #expect(declared.count >= known.count - Self.layers[0].count, "the package description was not understood")
        for target in declared.keys { #expect(known.contains(target), "\(target) stands in no layer") }
    }

    @Test func arrowsPointDown() {
        var level: [String: Int] = [:]
        for (index, layer) in Self.layers.enumerated() { for target in layer { level[target] = index } }
        let declared = Self.declared()
        for (target, dependencies) in declared {
            for dependency in dependencies {
                guard let from = level[target], let to = level[dependency] else { continue }
                #expect(to <= from, "\(target) depends on \(dependency), which stands above it")
            }
        }
        for target in declared.keys {
            var reached: Set<String> = []
            var next = declared[target] ?? []
            while let dependency = next.popFirst() {
                if reached.insert(dependency).inserted { next.formUnion(declared[dependency] ?? []) }
            }
            #expect(!reached.contains(target), "\(target) depends on itself")
        }
    }

    @Test func importsAreDeclared() {
        let platform: Set<String> = [
            "Swift", "Glibc", "Foundation", "FoundationEssentials", "Dispatch", "Synchronization",
        ]
        for (target, dependencies) in Self.declared() {
            for module in Self.imports(of: target) where !platform.contains(module) {
                #expect(dependencies.contains(module), "\(target) imports \(module) without declaring it")
            }
        }
    }

    @Test func coresImportCoresAlone() {
        for core in Self.cores {
            for module in Self.imports(of: core) {
                #expect(
                    Self.cores.contains(module) || Self.coreExternals.contains(module),
                    "the core \(core) imports \(module)")
            }
        }
        for target in Self.withoutFoundation {
            let found = Self.imports(of: target).intersection(["Foundation", "FoundationEssentials", "Dispatch"])
            #expect(found.isEmpty, "\(target) imports \(found)")
        }
    }

    @Test("Style: lines within 120 columns, no tabs")
    func lines() {
        for directory in ["/Sources", "/Tests"] {
            for file in Self.swiftFiles(under: Self.root + directory) {
                // A text block is as wide as what it quotes.
                var isText = false
                let lines = (Self.read(file) ?? "").split(separator: "\n", omittingEmptySubsequences: false)
                let refused = lines.indices.filter { number in
                    let line = lines[number]
                    let isWide = line.utf8.count > 120 && line.count > 120 && !isText
                    if line.contains("\"\"\""), line.matches(of: /"""/).count % 2 == 1 { isText.toggle() }
                    return isWide || line.utf8.contains(UInt8(ascii: "\t"))
                }
                #expect(refused.isEmpty, "\(file):\(refused.map { $0 + 1 })")
            }
        }
    }
}
