import CLinux
import Glibc
import LinuxSystem

/// A process's standard streams: the ends that the shim keeps and those that become the process's 0, 1 and 2.
public struct StandardStreams {
    /// -1: /dev/null.
    private(set) var childInput: Int32 = -1
    private(set) var childOutput: Int32 = -1
    private(set) var childError: Int32 = -1
    /// The shim's ends; -1 where there is none. With a terminal they come later.
    public private(set) var input: Int32 = -1
    public private(set) var output: Int32 = -1
    public private(set) var errorOutput: Int32 = -1

    /// Pipes; none with a terminal, which the process opens itself in its own /dev/pts.
    public init(hasTerminal: Bool, hasInput: Bool) throws(SystemError) {
        if hasTerminal { return }
        (output, childOutput) = try Descriptor.pipe()
        (errorOutput, childError) = try Descriptor.pipe()
        if hasInput { (childInput, input) = try Descriptor.pipe() }
    }

    public func closeChildEnds() {
        for descriptor in [childInput, childOutput, childError] where descriptor >= 0 { close(descriptor) }
    }

    public func closeOwnEnds() {
        for descriptor in [input, output, errorOutput] where descriptor >= 0 { close(descriptor) }
    }

    /// In the child: puts its ends in place.
    func install() throws(SystemError) {
        if childInput >= 0 {
            try syscall("dup2") { dup2(childInput, 0) }
        } else {
            let null = try Descriptor.open("/dev/null", O_RDONLY)
            try syscall("dup2") { dup2(null.rawValue, 0) }
        }
        try syscall("dup2") { dup2(childOutput, 1) }
        try syscall("dup2") { dup2(childError, 2) }
    }

    /// In the child, inside its root: opens a terminal in its own /dev/pts, makes it the controlling one and its
    /// streams; returns the master. `console` shows it at /dev/console too.
    static func installTerminal(rows: UInt16, columns: UInt16, console: Bool) throws(SystemError) -> Descriptor {
        var number: Int32 = 0
        let master = Descriptor(
            owning: try checked("open", on: "/dev/pts/ptmx", cl_open_terminal("/dev/pts/ptmx", &number)))
        let peer = Descriptor(
            owning: try checked(
                "open", on: "terminal", cl_open_terminal_peer(master.rawValue, O_RDWR | O_NOCTTY | O_CLOEXEC)))
        if rows > 0, columns > 0 { _ = cl_set_terminal_size(master.rawValue, rows, columns) }
        if console {
            try showConsole(peer.rawValue, number)
        }
        try checked("controlling terminal", cl_take_terminal(peer.rawValue))
        for descriptor in 0..<Int32(3) { try syscall("dup2") { dup2(peer.rawValue, descriptor) } }
        return master
    }

    /// Mounts the terminal, as it is open here, on a file of /dev itself: no name is looked up twice (CVE-2025-52565).
    private static func showConsole(_ peer: Int32, _ number: Int32) throws(SystemError) {
        guard Guard.console.holds else {
            let target = try Descriptor.open("/dev/console", pathOnly | O_CREAT)
            let tree = try MountTree.clone("/dev/pts/\(number)", recursive: false)
            return try MountTree.attach(tree.rawValue, onto: target.rawValue, shown: "/dev/console")
        }
        let target = try Descriptor.open("/dev/console", O_RDWR | O_CREAT | O_NOFOLLOW | O_NOCTTY, mode: 0o600)
        let tree = try MountTree.clone(of: peer)
        try MountTree.attach(tree.rawValue, onto: target.rawValue, shown: "/dev/console")
    }
}
