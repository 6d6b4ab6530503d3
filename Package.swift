// swift-tools-version: 6.2
import PackageDescription

// The target graph of docs/architecture.md, lowest layer last. ArrowTests reads it back and compares it with every
// import line. A core may import the standard library, swift-collections and cores; nothing else.

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

enum External {
    static let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
    static let collections = Target.Dependency.product(name: "Collections", package: "swift-collections")
    static let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
    static let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")
    static let certificates = Target.Dependency.product(name: "X509", package: "swift-certificates")
    static let asn1 = Target.Dependency.product(name: "SwiftASN1", package: "swift-asn1")
    static let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
    static let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
    static let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
    static let grpc = Target.Dependency.product(name: "GRPCCore", package: "grpc-swift-2")
    static let grpcTransport = Target.Dependency.product(
        name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport")
    static let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
    static let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
    static let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
    static let yaml = Target.Dependency.product(name: "Yams", package: "Yams")
}

func layer(_ name: String, _ dependencies: [Target.Dependency] = [], linker: [LinkerSetting] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict, linkerSettings: linker)
}

func program(_ name: String, _ dependencies: [Target.Dependency], linker: [LinkerSetting] = []) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: strict, linkerSettings: linker)
}

func tests(_ subject: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
    .testTarget(
        name: subject + "Tests", dependencies: [.target(name: subject)] + dependencies, exclude: exclude,
        swiftSettings: strict)
}

let package = Package(
    name: "martlet",
    products: [
        .executable(name: "martlet", targets: ["martlet"]),
        .executable(name: "martletd", targets: ["martletd"]),
        .executable(name: "martlet-net", targets: ["martlet-net"]),
        .executable(name: "martlet-runtime", targets: ["martlet-runtime"]),
        .executable(name: "martlet-sim", targets: ["martlet-sim"]),
        .executable(name: "martlet-chaos", targets: ["martlet-chaos"]),
        .executable(name: "martlet-bench", targets: ["martlet-bench"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.2"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // Executables: argument parsing and wiring only.
        program("martlet", ["Commands"]),
        program(
            "martletd",
            [
                "Values", "LinuxSystem", "SQLite", "EngineAPI", "Engine", "Agent", "ClusterManager", "ClusterModel",
                External.arguments,
                External.logging,
                External.lifecycle,
            ]),
        program("martlet-net", ["NameService", External.logging]),
        program(
            "martlet-runtime",
            ["RuntimeCommands", "ContainerShim", "LinuxSystem", "CGuardedStart"],
            linker: [
                .unsafeFlags(["-static-executable", "-Xlinker", "-e", "-Xlinker", "cl_guarded_start"]),
                // docs/adr/0013-used-functions-side-by-side.md
                .unsafeFlags(
                    [
                        "-use-ld=lld", "-Xlinker", "--no-warn-symbol-ordering", "-Xlinker",
                        "--symbol-ordering-file=\(Context.packageDirectory)/scripts/lib/runtime.order",
                    ], .when(configuration: .release)),
            ]),

        program("martlet-sim", ["SimulationKit", External.arguments]),
        program("martlet-chaos", ["Chaos", External.arguments]),
        program("martlet-bench", ["Benchmarks", "JSON", External.arguments, External.logging]),

        // Faces.
        layer(
            "SimulationKit",
            [
                "RaftCore", "Orchestration", "SessionModel", "AgentModel", "NetworkModel", "ClusterModel", "JSON",
                "Values",
                External.collections,
            ]),
        layer(
            "Commands",
            ["EngineClient", "Lab", "Executors", "LinuxSystem", "JSON", "Values", External.arguments]),
        layer(
            "EngineAPI",
            [
                "Engine", "ClusterManager", "ClusterStore", "WatchModel", "ClusterHistory", "EngineModel",
                "ClusterModel", "ImageStore", "OCI", "HTTPTransport", "HTTPMessages", "LinuxSystem", "JSON", "Values",
                External.hummingbirdCore, External.nioCore, External.nioPosix, External.logging, External.lifecycle,
            ]),
        layer(
            "EngineClient",
            ["HTTPTransport", "HTTPMessages", "JSON", External.nioCore, External.nioPosix]),
        layer(
            "Lab",
            [
                "EngineClient", "Executors", "LinuxSystem", "Cgroups", "RuntimeProtocol", "JSON", "Values", "CLab",
                "CLinux", External.yaml,
            ]),

        layer(
            "Benchmarks",
            [
                "ClusterStore", "ClusterRPC", "ClusterPKI", "RaftNode", "WatchModel", "SessionModel", "NetworkModel",
                "ClusterModel", "EngineModel", "Executors", "LinuxSystem", "JSON", "Values", External.logging,
            ]),
        layer(
            "Chaos",
            [
                "EngineClient", "Lab", "ClusterPKI", "DatabaseCipher", "SQLite", "LinuxSystem", "JSON", "Values",
            ]),
        layer(
            "RuntimeCommands",
            [
                "Containment", "RuntimeSpec", "RuntimeProtocol", "Cgroups", "Seccomp", "SystemdUnits", "LinuxSystem",
                "JSON", "Values", "CLinux",
            ]),

        // Services: carry out what cores decide.
        layer(
            "ClusterManager",
            [
                "RaftNode", "ClusterStore", "ClusterBackup", "ClusterPKI", "ClusterRPC", "DatabaseCipher",
                "Orchestration", "Scheduling", "SessionModel", "WatchModel", "ClusterHistory", "NetworkModel",
                "ClusterModel", "EngineModel", "SQLite", "Executors", "LinuxSystem", "JSON", "Values",
                External.logging,
            ]),
        layer(
            "Agent",
            [
                "Engine", "ImageStore", "Dataplane", "NetworkModel", "AgentModel", "SessionModel", "ClusterModel",
                "EngineModel", "OCI", "LinuxSystem", "JSON", "Values", External.logging,
            ]),
        layer(
            "Engine",
            [
                "ImageStore", "ContainerRuntime", "Dataplane", "NameService", "NetworkModel", "EngineModel",
                "RuntimeSpec", "RuntimeProtocol", "OCI", "SQLite", "Executors", "LinuxSystem", "Cgroups", "JSON",
                "Values", External.logging,
            ]),

        // Shells: each interprets one core against the outside world.
        layer(
            "RaftNode",
            ["RaftCore", "SQLite", "Executors", "LinuxSystem", External.logging]),
        layer(
            "ClusterStore",
            [
                "RaftNode", "ClusterHistory", "WatchModel", "ClusterModel", "SQLite", "Executors", "LinuxSystem",
                "JSON", "Values", External.logging,
            ]),
        layer("DatabaseCipher", ["SQLite", "Values", External.crypto, External.cryptoExtras]),
        layer(
            "ClusterBackup", ["SQLite", "LinuxSystem", "JSON", "Values", External.crypto, External.cryptoExtras]),
        layer(
            "ClusterPKI",
            [
                "ClusterModel", "DatabaseCipher", "LinuxSystem", "JSON", "Values", External.certificates,
                External.asn1, External.crypto,
            ]),
        layer(
            "ClusterRPC",
            [
                "ClusterPKI", "LinuxSystem", "JSON", "Values", External.grpc, External.grpcTransport, External.nioCore,
                External.nioSSL, External.certificates, External.logging,
            ]),
        layer(
            "ImageStore",
            ["OCI", "Archive", "LinuxSystem", "CLinux", "JSON", "Values", External.crypto, External.logging]),
        layer(
            "ContainerShim",
            [
                "Containment", "RuntimeSpec", "RuntimeProtocol", "Cgroups", "Seccomp", "LinuxSystem", "JSON", "Values",
                "CLinux",
            ]),
        layer(
            "Containment",
            ["RuntimeSpec", "RuntimeProtocol", "Cgroups", "Seccomp", "LinuxSystem", "JSON", "CLinux", "CSeccomp"]),
        layer(
            "ContainerRuntime",
            ["RuntimeProtocol", "Cgroups", "Executors", "LinuxSystem", "JSON", "CLinux", External.logging]),
        layer(
            "Dataplane", ["NetworkModel", "Netlink", "Executors", "LinuxSystem", "Values", External.logging]),
        layer(
            "NameService", ["NetworkModel", "Executors", "LinuxSystem", "JSON", "Values", "CLinux", External.logging]),

        layer("HTTPTransport", [External.nioCore]),

        // System.
        layer("Archive", ["LinuxSystem", "CLinux", "CArchive", "Values"]),
        layer("Cgroups", ["RuntimeProtocol", "RuntimeSpec", "LinuxSystem", "CLinux"]),
        layer("Netlink", ["LinuxSystem", "Values"]),
        layer("Seccomp", ["RuntimeSpec", "RuntimeProtocol", "LinuxSystem", "JSON", "CLinux", "CSeccomp"]),
        layer("SQLite", ["LinuxSystem", "Values", "CSQLite"]),
        layer("SystemdUnits", ["RuntimeSpec", "LinuxSystem"]),
        layer("Executors", ["LinuxSystem", "CLinux"]),
        layer("LinuxSystem", ["CLinux", "Values"]),

        // Pure cores.
        layer(
            "Orchestration",
            ["ClusterModel", "Scheduling", "NetworkModel", "Values"]),
        layer("Scheduling", ["ClusterModel", "Values"]),
        layer("ClusterHistory", ["ClusterModel", "NetworkModel", "JSON", "Values"]),
        layer("SessionModel", ["ClusterModel", "NetworkModel", "JSON", "Values"]),
        layer("WatchModel", ["ClusterModel", "Values", External.collections]),
        layer("AgentModel", ["ClusterModel", "SessionModel", "EngineModel", "JSON", "Values"]),
        layer("ClusterModel", ["EngineModel", "JSON", "Values", External.collections]),
        layer("RaftCore", ["Values", External.collections]),
        layer("NetworkModel", ["Values"]),
        layer("EngineModel", ["JSON", "Values"]),
        layer("RuntimeProtocol", ["RuntimeSpec", "Values"]),
        layer("RuntimeSpec", ["JSON"]),
        layer("OCI", ["EngineModel", "JSON", "Values"]),
        layer("HTTPMessages"),
        layer("JSON", ["Values"]),
        layer("Values"),

        // C.
        .target(name: "CLinux"),
        .target(name: "CGuardedStart", dependencies: ["CLinux"]),
        .target(name: "CLab"),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
        .systemLibrary(name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),

        // Tests.
        tests("Values", ["Fuzzing"]),
        tests("JSON", ["Fuzzing", "Values"]),
        tests("EngineModel", ["JSON", "Values"]),
        tests("LinuxSystem", ["Values", "CLinux", "TestSupport"]),
        tests("Cgroups", ["RuntimeSpec", "LinuxSystem", "RuntimeProtocol", "JSON", "Values", "TestSupport"]),
        tests("Seccomp", ["RuntimeSpec", "RuntimeProtocol", "LinuxSystem", "JSON", "CSeccomp", "TestSupport"]),
        tests("RaftCore", ["DataDriven", "Fuzzing", "Values"], exclude: ["Scripts"]),
        tests("DataDriven"),
        tests("Fuzzing"),
        tests("SimulationKit", ["RaftCore", "ClusterModel", "Values", "TestSupport"]),
        tests("SQLite", ["DatabaseCipher", "Values", "LinuxSystem", "TestSupport"]),
        tests("SystemdUnits", ["RuntimeSpec", "LinuxSystem", "TestSupport"]),
        tests(
            "RaftNode",
            ["DatabaseCipher", "Fuzzing", "RaftCore", "SQLite", "LinuxSystem", "Values", "TestSupport"]),
        tests("OCI", ["EngineModel", "JSON", "Values"]),
        tests("Archive", ["CLinux", "LinuxSystem", "Values", "TestSupport"]),
        tests(
            "ImageStore",
            ["OCI", "Archive", "Executors", "LinuxSystem", "JSON", "Values", "TestSupport", External.logging]),
        tests("RuntimeProtocol", ["RuntimeSpec", "JSON", "Values"]),
        tests("RuntimeSpec", ["JSON"]),
        tests(
            "ContainerRuntime",
            [
                "ContainerShim", "RuntimeProtocol", "RuntimeSpec", "Cgroups", "LinuxSystem", "CLinux", "JSON", "Values",
                "TestSupport",
            ]),
        tests("RuntimeCommands", ["RuntimeSpec", "LinuxSystem", "CLinux", "JSON", "Values", "TestSupport"]),
        tests("NetworkModel", ["JSON", "Values"]),
        tests("Netlink", ["LinuxSystem", "Values", "TestSupport"]),
        tests("Dataplane", ["NetworkModel", "Netlink", "LinuxSystem", "Values", "TestSupport"]),
        tests("NameService", ["NetworkModel", "LinuxSystem", "Values", "TestSupport", External.logging]),
        tests("DatabaseCipher", ["SQLite", "LinuxSystem", "Values", "TestSupport"]),
        tests("ClusterBackup", ["Fuzzing", "LinuxSystem", "JSON", "Values", "TestSupport", External.crypto]),
        tests(
            "ClusterPKI",
            ["DatabaseCipher", "Fuzzing", "ClusterModel", "LinuxSystem", "JSON", "Values", "TestSupport"]),
        tests(
            "ClusterRPC",
            [
                "ClusterPKI", "Fuzzing", "JSON", "Values", "LinuxSystem", "TestSupport", External.nioSSL,
                External.logging, External.grpc,
            ]),
        tests("ClusterModel", ["Fuzzing", "JSON", "Values"]),
        tests("ClusterHistory", ["ClusterModel", "JSON", "Values"]),
        tests("WatchModel", ["ClusterModel", "Values"]),
        tests("Scheduling", ["ClusterModel", "JSON", "Values"]),
        tests("Orchestration", ["ClusterModel", "Scheduling", "JSON", "Values"]),
        tests("AgentModel", ["SessionModel", "ClusterModel", "NetworkModel", "EngineModel", "JSON", "Values"]),
        tests(
            "ClusterManager",
            [
                "Fuzzing", "RaftNode", "ClusterBackup", "ClusterRPC", "ClusterPKI", "ClusterStore", "SessionModel",
                "ClusterModel", "EngineModel", "LinuxSystem", "TestSupport", "JSON", "Values", External.logging,
            ]),
        tests("SessionModel", ["Fuzzing", "ClusterModel", "NetworkModel", "JSON", "Values"]),
        tests(
            "ClusterStore",
            [
                "DatabaseCipher", "Fuzzing", "RaftNode", "ClusterHistory", "WatchModel", "ClusterModel", "SQLite",
                "LinuxSystem", "JSON", "Values", "TestSupport", External.logging,
            ]),
        tests(
            "Engine",
            ["EngineModel", "RuntimeProtocol", "RuntimeSpec", "LinuxSystem", "JSON", "Values", "TestSupport"]),
        tests(
            "EngineAPI",
            [
                "Fuzzing", "Engine", "ClusterManager", "ClusterStore", "EngineModel", "EngineClient", "HTTPMessages",
                "HTTPTransport", "ClusterModel", "WatchModel", "JSON", "LinuxSystem", "Values", "TestSupport",
                External.nioCore, External.nioPosix, External.logging, External.lifecycle,
            ]),
        tests("HTTPMessages"),
        tests("Commands", ["EngineClient", "JSON", "Values", "TestSupport"]),
        tests("Chaos", ["Values"]),
        tests("Lab", ["LinuxSystem", "JSON", "Values", "TestSupport"]),
        .testTarget(
            name: "SystemTests", dependencies: ["Lab", "EngineClient", "LinuxSystem", "JSON", "Values", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "PeerSystemTests", dependencies: ["LinuxSystem", "JSON", "Values", "TestSupport"],
            swiftSettings: strict),
        .testTarget(name: "ArchitectureTests", swiftSettings: strict),
        .target(name: "DataDriven", swiftSettings: strict),
        .target(name: "Fuzzing", dependencies: ["Values"], swiftSettings: strict),
        .target(name: "TestSupport", dependencies: ["LinuxSystem", "Values"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)

// MARTLET_ONLY=RaftCore,OCI builds and tests these targets and what they rest on, alone.
if let only = Context.environment["MARTLET_ONLY"] {
    let wanted = Set(only.split(separator: ",").map(String.init))
    var kept = wanted.union(wanted.map { $0 + "Tests" })
    var grown = true
    while grown {
        grown = false
        for target in package.targets where kept.contains(target.name) {
            for case .byNameItem(let name, _) in target.dependencies { grown = kept.insert(name).inserted || grown }
            for case .targetItem(let name, _) in target.dependencies { grown = kept.insert(name).inserted || grown }
        }
    }
    package.targets = package.targets.filter { kept.contains($0.name) }
    package.products = []
}
