import Executors
import Glibc
import LinuxSystem
import Logging
import TestSupport
import Testing

@testable import ImageStore

/// The store is one process's at a time (flock(2)).
@Suite struct StoreLockTests {
    private let folder: TemporaryDirectory
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() throws {
        folder = try TemporaryDirectory("store-lock")
        _ = try ImageStore(directory: folder.path, logger: logger)
    }

    private func hold() throws -> Int32 {
        let lock = open(StorePaths(directory: folder.path).lock, O_RDWR | O_CLOEXEC)
        try #require(lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0)
        return lock
    }

    @Test("One that somebody keeps open is refused")
    func kept() throws {
        let lock = try hold()
        defer { close(lock) }
        #expect(throws: ImageStoreError.self) { try ImageStore(directory: folder.path, logger: logger) }
    }

    @Test("One that is let go of soon, as by what a killed daemon had just forked, opens")
    func released() throws {
        let lock = try hold()
        try DetachedThread.start("holder") {
            usleep(200_000)
            close(lock)
        }
        _ = try ImageStore(directory: folder.path, logger: logger)
    }
}
