import Glibc
import LinuxSystem
import Netlink

/// A namespace of ours with the kernel's networking in it. It lives at least as long as this.
struct OpenNamespace {
    let hold: NamespaceHold
    let sockets: NamespaceSockets
    /// The namespace's own number: another one may have been made at the same path.
    let number: UInt

    var descriptor: Int32 { hold.rawValue }
}

/// Keeps a namespace's descriptor open.
final class NamespaceHold: Sendable {
    private let descriptor: Descriptor

    init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }

    var rawValue: Int32 { descriptor.rawValue }
}

extension Dataplane {
    /// Makes a namespace with its loopback up, unless it is there.
    func createNamespace(_ path: String, settings: [(String, String)]) throws {
        if Self.number(of: path, in: namespaceDirectory) != nil { return }
        try NetworkNamespace.create(at: path)
        do {
            guard let opened = try open(path: path, settings: settings),
                let loopback = try opened.sockets.route.link(named: "lo")
            else { throw DataplaneError.kernel("no namespace at \(path) after all") }
            try opened.sockets.route.change(loopback.index, isUp: true)
        } catch {
            try? removeNamespace(path)
            throw error
        }
    }

    /// Lets go of a namespace; it ends with its last process.
    func removeNamespace(_ path: String) throws {
        opened[path] = nil
        try NetworkNamespace.remove(path)
    }

    /// The namespace at a path, opened once; nil where there is none.
    func open(path: String, settings: [(String, String)] = []) throws -> OpenNamespace? {
        guard let number = Self.number(of: path, in: namespaceDirectory) else {
            opened[path] = nil
            return nil
        }
        if let known = opened[path], known.number == number { return known }
        let hold = NamespaceHold(try Descriptor.open(path, O_RDONLY))
        let made = OpenNamespace(
            hold: hold, sockets: try NamespaceSockets.open(in: hold.rawValue, settings: settings), number: number)
        opened[path] = made
        return made
    }

    /// The number of the namespace that is kept at a path: the file lies on the kernel's own file system, not on the
    /// directory's.
    static func number(of path: String, in directory: String) -> UInt? {
        var file = stat()
        var parent = stat()
        guard stat(path, &file) == 0, stat(directory, &parent) == 0, file.st_dev != parent.st_dev else { return nil }
        return file.st_ino
    }

    func isNamespace(_ path: String) -> Bool { Self.number(of: path, in: namespaceDirectory) != nil }
}
