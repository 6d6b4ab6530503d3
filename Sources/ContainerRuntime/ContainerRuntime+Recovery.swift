import Glibc
import LinuxSystem
import RuntimeProtocol

/// Finding shims, and following them to their ends.
extension ContainerRuntime {
    /// How many shims are asked at a time: to answer, one that sleeps has to wake.
    private static let width = 64

    /// What lives and what has ended of everything that was created here before this process; watches what lives. A
    /// shim that lives and does not answer holds this up once, by `ShimPatience.answer`.
    public func recover() async -> [RecoveredContainer] {
        await withTaskGroup(of: RecoveredContainer?.self) { group in
            var found: [RecoveredContainer] = []
            for (index, id) in earlier.enumerated() {
                if index >= Self.width, let container = await group.next() ?? nil { found.append(container) }
                group.addTask { await self.recover(id) }
            }
            for await case let container? in group { found.append(container) }
            return found
        }
    }

    private func recover(_ id: String) async -> RecoveredContainer? {
        guard table[id] == nil, (try? await table.reserve(id)) != nil else { return nil }
        let deadline = ContinuousClock.now + patience.answer
        var pauses = ShimPatience.Pauses(patience)
        while true {
            do {
                let files = files
                if let record = try await workers.run({ try files.bury(id) }) {
                    table.release(id)
                    return RecoveredContainer(id: id, state: .ended(record))
                }
                return take(id, try await meet(id, within: ContinuousClock.now.duration(to: deadline)))
            } catch {
                // It may be about to begin, or to end.
                guard ContinuousClock.now < deadline, !Task.isCancelled else { return await takeUnseen(id, error) }
                await pauses.pause()
            }
        }
    }

    private func take(_ id: String, _ entry: ContainerTable.Entry) -> RecoveredContainer {
        table.fill(id, entry)
        watch(id)
        return RecoveredContainer(id: id, state: entry.state)
    }

    private func takeUnseen(_ id: String, _ error: any Error) async -> RecoveredContainer {
        warn(id, error)
        let files = files
        let shim = try? await workers.run { try files.state(id) }
        return take(id, ContainerTable.Entry(pid: shim?.containerPid, isStarted: true, isReached: false, shim: shim))
    }

    private func warn(_ id: String, _ error: any Error) {
        logger.warning(
            "a shim lives and cannot be reached; its container counts as running",
            metadata: ["container": "\(id)", "error": "\(error)"])
    }

    /// What the shim says of its container.
    private func meet(_ id: String, within limit: Duration) async throws -> ContainerTable.Entry {
        let answer = try await exchange(.state, with: id, within: limit).answer
        guard let pid = answer.pid else {
            throw RuntimeError(.failed, container: id, answer.error ?? "its shim does not name it")
        }
        let files = files
        let shim = try? await workers.run { try files.state(id) }
        return ContainerTable.Entry(pid: pid, isStarted: answer.isStarted ?? false, shim: shim, record: answer.exit)
    }

    /// Follows the container to its end, and its shim to its own, however long that cannot be reached.
    func watch(_ id: String) {
        Task { [self] in
            var pauses = ShimPatience.Pauses(patience)
            var isMet = table[id]?.isReached == true
            while await !follow(id, isMet: isMet) {
                isMet = false
                await pauses.pause()
            }
            table.markGone(id)
        }
    }

    /// False where the shim lives and there is no connection that would tell its end.
    private func follow(_ id: String, isMet: Bool) async -> Bool {
        var failure: (any Error)?
        do {
            if !isMet { try await meetAgain(id) }
            if let (answer, connection) = try? await exchange(.wait, with: id, within: nil), let record = answer.exit {
                let files = files
                _ = try await workers.run { files.keep(record, of: id) }
                settle(id, record)
                await connection.end()
                return true
            }
        } catch {
            failure = error
        }
        do {
            let files = files
            if let record = try await workers.run({ try files.bury(id) }) {
                settle(id, record)
                return true
            }
        } catch {
            failure = error
        }
        if let failure, table.markUnreachable(id) { warn(id, failure) }
        return false
    }

    private func meetAgain(_ id: String) async throws {
        let entry = try await meet(id, within: patience.answer)
        guard let before = table.markReached(id, entry), !before.isReached else { return }
        logger.notice("a shim can be reached again", metadata: ["container": "\(id)"])
        if before.isStarted, !entry.isStarted, entry.record == nil {
            // Its start was cut off, and nobody is left who would go on with it.
            try await kill(id, signal: SIGKILL, wholeGroup: true)
        }
    }

    private func settle(_ id: String, _ record: ExitRecord) {
        if table.settle(id, record) { told.yield(ContainerExit(id: id, record: record)) }
    }
}
