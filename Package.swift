// swift-tools-version: 6.2
import PackageDescription

// The target graph of docs/architecture.md, lowest layer last. ArrowTests reads it back and compares it with every
// import line. A core may import the standard library, swift-collections and cores; nothing else.

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

enum External {
    static let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
    static let collections = Target.Dependency.product(name: "Collections", package: "swift-collections")
    static let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
    static let certificates = Target.Dependency.product(name: "X509", package: "swift-certificates")
    static let asn1 = Target.Dependency.product(name: "SwiftASN1", package: "swift-asn1")
    static let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
    static let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
    static let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
    static let nioConcurrency = Target.Dependency.product(name: "NIOConcurrencyHelpers", package: "swift-nio")
    static let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
    static let grpc = Target.Dependency.product(name: "GRPCCore", package: "grpc-swift-2")
    static let grpcTransport = Target.Dependency.product(
        name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport")
    static let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
    static let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
    static let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
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

func tests(_ subject: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: subject + "Tests", dependencies: [.target(name: subject)] + dependencies, swiftSettings: strict)
}

let package = Package(
    name: "martlet",
    products: [
        .executable(name: "martlet", targets: ["martlet"]),
        .executable(name: "martletd", targets: ["martletd"]),
        .executable(name: "martlet-net", targets: ["martlet-net"]),
        .executable(name: "martlet-runtime", targets: ["martlet-runtime"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
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
                "Values", "EngineAPI", "Engine", "Agent", "ClusterManager", External.arguments, External.logging,
                External.lifecycle,
            ]),
        program("martlet-net", ["NameService", External.arguments, External.logging]),
        program(
            "martlet-runtime", ["RuntimeProtocol", "LinuxSystem", "Cgroups", "JSON", "Values", "CLinux", "CSeccomp"],
            linker: [.unsafeFlags(["-static-executable"])]),

        // Faces.
        layer(
            "Commands",
            [
                "EngineClient", "Lab", "EngineModel", "ClusterModel", "JSON", "Values", External.arguments,
                External.logging,
            ]),
        layer(
            "EngineAPI",
            [
                "Engine", "ClusterManager", "EngineModel", "ClusterModel", "OCI", "JSON", "Values",
                External.hummingbird,
                External.hummingbirdCore, External.httpTypes, External.nioCore, External.nioPosix, External.nioHTTP1,
                External.nioSSL, External.logging, External.lifecycle,
            ]),
        layer(
            "EngineClient",
            ["JSON", "Values", External.nioCore, External.nioPosix, External.nioHTTP1, External.nioSSL]),
        layer("Lab", ["LinuxSystem", "Cgroups", "JSON", "Values", "CLinux", External.yaml, External.logging]),

        // Services: carry out what cores decide.
        layer(
            "ClusterManager",
            [
                "RaftNode", "ClusterStore", "ClusterPKI", "ClusterRPC", "Orchestration", "Scheduling", "SessionModel",
                "ClusterModel", "EngineModel", "JSON", "Values", External.collections, External.logging,
                External.crypto, External.nioCore,
            ]),
        layer(
            "Agent",
            [
                "Engine", "ClusterRPC", "ClusterPKI", "Dataplane", "NetworkModel", "AgentModel", "SessionModel",
                "ClusterModel", "EngineModel", "JSON", "Values", External.logging,
            ]),
        layer(
            "Engine",
            [
                "ImageStore", "ContainerRuntime", "Dataplane", "NameService", "NetworkModel", "EngineModel",
                "RuntimeProtocol", "OCI", "SQLite", "LinuxSystem", "Cgroups", "Archive", "JSON", "Values",
                External.logging, External.crypto,
            ]),

        // Shells: each interprets one core against the outside world.
        layer(
            "RaftNode",
            ["RaftCore", "SQLite", "LinuxSystem", "JSON", "Values", External.logging]),
        layer(
            "ClusterStore",
            [
                "ClusterModel", "SQLite", "LinuxSystem", "JSON", "Values", External.collections,
                External.logging,
            ]),
        layer(
            "ClusterPKI",
            ["LinuxSystem", "Values", External.certificates, External.asn1, External.crypto]),
        layer(
            "ClusterRPC",
            [
                "ClusterPKI", "JSON", "Values", External.grpc, External.grpcTransport, External.nioCore,
                External.nioPosix, External.nioSSL, External.certificates, External.asn1, External.logging,
            ]),
        layer(
            "ImageStore",
            ["OCI", "Archive", "SQLite", "LinuxSystem", "JSON", "Values", External.crypto, External.logging]),
        layer(
            "ContainerRuntime",
            ["RuntimeProtocol", "Cgroups", "LinuxSystem", "JSON", "Values", "CLinux", External.logging]),
        layer(
            "Dataplane", ["NetworkModel", "Netlink", "LinuxSystem", "JSON", "Values", "CLinux", External.logging]),
        layer(
            "NameService", ["NetworkModel", "LinuxSystem", "JSON", "Values", "CLinux", External.logging]),

        // System.
        layer("Archive", ["LinuxSystem", "CLinux", "CArchive", "Values"]),
        layer("Cgroups", ["LinuxSystem", "CLinux", "Values"]),
        layer("Netlink", ["LinuxSystem", "CLinux", "Values"]),
        layer("SQLite", ["CSQLite", "Values"]),
        layer("LinuxSystem", ["CLinux", "Values"]),

        // Pure cores.
        layer("Orchestration", ["ClusterModel", "Scheduling", "JSON", "Values", External.collections]),
        layer("Scheduling", ["ClusterModel", "JSON", "Values", External.collections]),
        layer("SessionModel", ["ClusterModel", "NetworkModel", "JSON", "Values"]),
        layer("AgentModel", ["ClusterModel", "SessionModel", "JSON", "Values"]),
        layer("ClusterModel", ["JSON", "Values", External.collections]),
        layer("RaftCore", ["Values", External.collections]),
        layer("NetworkModel", ["JSON", "Values", External.collections]),
        layer("EngineModel", ["JSON", "Values"]),
        layer("RuntimeProtocol", ["JSON", "Values"]),
        layer("OCI", ["JSON", "Values"]),
        layer("JSON", ["Values"]),
        layer("Values"),

        // C.
        .target(name: "CLinux"),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
        .systemLibrary(name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),

        // Tests.
        tests("Values"),
        tests("JSON", ["Values"]),
        tests("EngineModel", ["JSON", "Values"]),
        .testTarget(name: "ArchitectureTests", swiftSettings: strict),
        .target(name: "TestSupport", dependencies: ["LinuxSystem", "Values"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
