/// A request to a container's shim: one line of JSON on a connection to its socket, answered by one line.
///
/// After the answer to `exec` and `attach` the connection carries frames of output from the shim and raw input to it;
/// the writing half's end is the input's end. A terminal's output and a process's standard output are frames alike.
public enum ShimRequest: Hashable, Sendable, Codable {
    case start
    /// Where the container stands: the answer's `pid` and `isStarted`.
    case state
    /// A signal to the container's first process; `wholeGroup` sends it to every process.
    case kill(signal: Int32, wholeGroup: Bool)
    /// The output from now on, and the input where `hasInput` says so.
    case attach(hasInput: Bool)
    case exec(id: String, process: ProcessSpecification)
    /// The size of the first process's terminal, or of the one that `exec` started under that id.
    case resize(exec: String?, rows: UInt16, columns: UInt16)
    /// Answers when the container has ended, with its `exit`; the connection is closed when the shim has nothing left
    /// to do.
    case wait

    /// The first version of the protocol whose shims take this request as it is written now.
    public var firstVersion: Int {
        switch self {
        // Version 1 had words of its own for a process.
        case .exec: 2
        case .start, .state, .kill, .attach, .resize, .wait: 1
        }
    }
}

/// A shim's answer.
public struct ShimAnswer: Hashable, Sendable, Codable {
    /// Why the request was refused; nil where it was carried out.
    public var error: String?
    /// Docker's exit code for what could not be started: 126 or 127.
    public var code: Int32?
    /// The process in the host's numbering.
    public var pid: Int32?
    /// Whether the container's first process runs its own program.
    public var isStarted: Bool?
    /// How the container ended.
    public var exit: ExitRecord?

    public init(
        error: String? = nil, code: Int32? = nil, pid: Int32? = nil, isStarted: Bool? = nil, exit: ExitRecord? = nil
    ) {
        self.error = error
        self.code = code
        self.pid = pid
        self.isStarted = isStarted
        self.exit = exit
    }
}

/// A piece of output on a shim's connection: kind, three zero bytes, length (4 bytes, most significant first), payload:
/// the frames of Docker's attach (Engine API: ContainerAttach, Stream format), and one more kind for the end.
public enum ShimFrame {
    public static let headerBytes = 8
    public static let output: UInt8 = 1
    public static let errorOutput: UInt8 = 2
    /// The process ended; the payload is its exit code, 4 bytes, most significant first.
    public static let exit: UInt8 = 3

    public static func encode(_ kind: UInt8, _ payload: some Collection<UInt8>) -> [UInt8] {
        let length = UInt32(payload.count)
        return [kind, 0, 0, 0] + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) } + payload
    }

    public static func exit(code: Int32) -> [UInt8] {
        encode(exit, [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: code >> $0) })
    }
}

/// How a container ended; kept durably beside its specification until the container is deleted.
public struct ExitRecord: Hashable, Sendable, Codable {
    /// 0 to 255; 128 and the signal for a process that a signal ended.
    public var code: Int32
    public var oomKilled: Bool
    /// Nanoseconds since the epoch.
    public var finishedAt: Int64
    /// Why the container never ran; nil where it did.
    public var error: String?

    public init(code: Int32, oomKilled: Bool, finishedAt: Int64, error: String? = nil) {
        self.code = code
        self.oomKilled = oomKilled
        self.finishedAt = finishedAt
        self.error = error
    }
}

/// What a shim notes about itself in its run directory, so that its container can be found and killed without it.
public struct ShimState: Hashable, Sendable, Codable {
    /// The version of the protocol that the shim speaks.
    public var version: Int
    public var shimPid: Int32
    public var containerPid: Int32
    /// The container's group: its directory in every hierarchy.
    public var cgroups: [CgroupDirectory]

    public init(version: Int, shimPid: Int32, containerPid: Int32, cgroups: [CgroupDirectory]) {
        self.version = version
        self.shimPid = shimPid
        self.containerPid = containerPid
        self.cgroups = cgroups
    }
}

/// A control group's directory in one hierarchy.
public struct CgroupDirectory: Hashable, Sendable, Codable {
    /// Controllers of a v1 hierarchy, `name=…` for one without; empty for v2.
    public var controllers: [String]
    /// The directory under which the group was made; it exists without the group.
    public var base: String
    /// The group's path beneath it.
    public var name: String

    public init(controllers: [String], base: String, name: String) {
        self.controllers = controllers
        self.base = base
        self.name = name
    }

    public var path: String { base + "/" + name }
    public var isUnified: Bool { controllers.isEmpty }
}

/// The names of a shim's files.
public enum ShimFiles {
    /// In the container's data directory.
    public static let specification = "specification.json"
    public static let exit = "exit.json"
    /// In its run directory.
    public static let socket = "shim.sock"
    public static let state = "state.json"
    /// Locked by the shim until it ends (flock(2)).
    public static let lock = "lock"
    /// The descriptor on which a shim reports how its start went: one line of JSON, a `ShimAnswer`.
    public static let reportDescriptor: Int32 = 3
}

/// Limits of the protocol, in bytes.
public enum ShimLimits {
    /// The longest line of a request or an answer.
    public static let line = 1 << 20
    /// The longest payload of a frame.
    public static let payload = 1 << 16
}
