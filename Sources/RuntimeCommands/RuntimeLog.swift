import Glibc
import JSON
import LinuxSystem
import RuntimeSpec

/// Where errors and warnings go: standard error, and the file that `--log` names, in runc's formats.
struct RuntimeLog {
    private let path: String?
    private let format: RuntimeSettings.LogFormat

    init(_ settings: RuntimeSettings) {
        path = settings.log
        format = settings.logFormat
    }

    func error(_ text: String) { write("error", text, toStandardError: true) }
    func warning(_ text: String) { write("warning", text, toStandardError: true) }

    private struct Line: Encodable {
        var level: String
        var msg: String
        var time: String
    }

    private func write(_ level: String, _ text: String, toStandardError: Bool) {
        // One line each, whatever a file name holds.
        let text = String(text.map { $0.isNewline ? " " : $0 })
        if toStandardError { try? Bytes.writeAll(2, Array("martlet-runtime: \(text)\n".utf8)) }
        guard let path, let file = try? Descriptor.open(path, O_WRONLY | O_CREAT | O_APPEND, mode: 0o644) else {
            return
        }
        let time = Clock.now().description
        switch format {
        case .json:
            let line = try? JSONCoding.encode(Line(level: level, msg: text, time: time))
            try? Bytes.writeAll(file.rawValue, (line ?? []) + [0x0a])
        case .text:
            let quoted = text.flatMap { $0 == "\"" || $0 == "\\" ? ["\\", $0] : [$0] }
            let line = "time=\"\(time)\" level=\(level) msg=\"\(String(quoted))\"\n"
            try? Bytes.writeAll(file.rawValue, Array(line.utf8))
        }
    }
}
