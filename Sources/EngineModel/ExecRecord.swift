import Values

/// What to run beside a container's first process (Engine API: ExecConfig).
public struct ExecConfiguration: Hashable, Sendable, Codable {
    public var user = ""
    public var privileged = false
    public var tty = false
    public var attachStdin = false
    public var attachStdout = false
    public var attachStderr = false
    public var detachKeys = ""
    public var env: [String] = []
    public var workingDir = ""
    public var cmd = CommandLine([])
    /// Rows and columns of the terminal.
    public var consoleSize: [UInt16]?

    public init() {}

    enum CodingKeys: String, CodingKey {
        case user, privileged
        case tty = "Tty"
        case attachStdin, attachStdout, attachStderr, detachKeys, env, workingDir, cmd, consoleSize
    }
}

/// A process that `exec` made, or will make when it is started.
public struct ExecRecord: Hashable, Sendable {
    public enum State: Hashable, Sendable {
        case created
        case running(pid: Int32)
        case exited(code: Int32)
    }

    /// 64 hexadecimal digits.
    public let id: String
    public let containerID: String
    public var configuration: ExecConfiguration
    public var state = State.created

    public init(id: String, containerID: String, configuration: ExecConfiguration) {
        self.id = id
        self.containerID = containerID
        self.configuration = configuration
    }
}
