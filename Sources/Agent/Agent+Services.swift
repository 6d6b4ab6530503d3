import ClusterModel
import Engine
import EngineModel
import Glibc
import ImageStore
import JSON
import LinuxSystem
import SessionModel
import Values

extension Agent: HostServices {
    /// At most so many lines in one answer.
    private static let logLines = 1000
    /// The pieces in which blobs are sent, in bytes.
    private static let blobPiece = 256 << 10

    public func call(_ method: String, _ payload: [UInt8]) async throws -> [UInt8] {
        switch method {
        case HostMethods.image:
            let question = try JSONCoding.decode(ImageQuestion.self, from: payload)
            return try JSONCoding.encode(offer(question))
        case HostMethods.logs:
            return try await JSONCoding.encode(log(JSONCoding.decode(TaskLogQuestion.self, from: payload)))
        default: throw EngineError(.notImplemented, "this host does not know \"\(method)\"")
        }
    }

    private func offer(_ question: ImageQuestion) -> ImageOffer {
        guard let (digest, bytes) = engine.images.manifest(for: question.reference) else { return ImageOffer() }
        let record = try? engine.images.image(question.reference)
        return ImageOffer(
            digest: digest, manifest: String(decoding: bytes, as: UTF8.self),
            references: (record?.references ?? []).map { "\($0)" })
    }

    public nonisolated func blob(
        _ digest: Digest, offset: Int64, _ send: @escaping @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        let handle = try engine.images.open(blob: digest)
        let size = handle.size
        guard (0...size).contains(offset) else {
            throw EngineError(.invalidParameter, "blob \(digest) has \(size) bytes, \(offset) is behind its end")
        }
        var position = offset
        while position < size {
            var buffer = [UInt8](repeating: 0, count: Int(min(Int64(Self.blobPiece), size - position)))
            let count = try syscall("pread") {
                pread(handle.descriptor.rawValue, &buffer, buffer.count, off_t(position))
            }
            guard count > 0 else { throw EngineError(.internalError, "blob \(digest) ends too early") }
            buffer.removeLast(buffer.count - count)
            try await send(buffer)
            position += Int64(count)
        }
    }

    private func log(_ question: TaskLogQuestion) async throws -> TaskLogAnswer {
        guard let record = await engine.containers().first(where: { $0.taskID == question.taskID }) else {
            return TaskLogAnswer(lines: [], hasMore: false, isRunning: false)
        }
        var options = LogOptions()
        options.since = question.after.map { $0.advanced(byNanoseconds: 1) }
        options.tail = question.tail
        var lines: [TaskLogAnswer.Line] = []
        for try await frame in try await engine.logs(record.id, options) {
            guard lines.count < Self.logLines else {
                return TaskLogAnswer(lines: lines, hasMore: true, isRunning: record.state.isRunning)
            }
            lines.append(
                TaskLogAnswer.Line(
                    isError: frame.stream == .stderr, time: frame.time,
                    text: String(decoding: frame.bytes, as: UTF8.self)))
        }
        return TaskLogAnswer(lines: lines, hasMore: false, isRunning: record.state.isRunning)
    }
}
