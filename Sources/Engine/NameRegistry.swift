import LinuxSystem
import Logging
import NameService
import NetworkModel

/// Hands this host's names to martlet-net: always the latest picture, and one for all who ask meanwhile.
actor NameRegistry {
    private let configuration: EngineConfiguration
    private let logger: Logger
    private var client: NameServiceClient?
    private var index: UInt64
    private var waiting: [CheckedContinuation<NameReceipt, any Error>] = []
    private var isWanted = false
    private var isWorking = false

    private var socketPath: String { configuration.runDirectory + "/net.sock" }

    init(configuration: EngineConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
        // Past what an engine before this one used, whose martlet-net may still be there.
        index = UInt64(max(0, Clock.now().nanosecondsSinceEpoch))
    }

    /// Whether a martlet-net may be there that answers by an older picture.
    nonisolated var mayBeRunning: Bool { Files.exists(configuration.runDirectory + "/net.sock") }

    /// Makes martlet-net answer by the engine's picture as it is now or later; returns when it does.
    func refresh(from engine: Engine) async throws -> NameReceipt {
        try await withCheckedThrowingContinuation { continuation in
            waiting.append(continuation)
            request(engine)
        }
    }

    func disconnect() async { await client?.disconnect() }

    private func request(_ engine: Engine) {
        isWanted = true
        guard !isWorking else { return }
        isWorking = true
        Task { await self.work(engine) }
    }

    private func work(_ engine: Engine) async {
        while isWanted {
            isWanted = false
            let asked = waiting
            waiting = []
            do {
                let receipt = try await apply(try await engine.namePicture())
                for continuation in asked { continuation.resume(returning: receipt) }
            } catch {
                logger.error("names are not served", metadata: ["error": "\(error)"])
                for continuation in asked { continuation.resume(throwing: error) }
            }
        }
        isWorking = false
    }

    private func apply(_ names: (sandboxes: [SandboxNames], zones: [String: DNSZone])) async throws -> NameReceipt {
        index += 1
        let picture = DNSPicture(
            revision: PlanRevision(index: index), sandboxes: names.sandboxes, zones: names.zones)
        let client =
            self.client
            ?? NameServiceClient(socketPath: socketPath, program: configuration.nameServicePath ?? "", logger: logger)
        self.client = client
        return try await client.apply(picture)
    }
}
