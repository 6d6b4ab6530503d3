import CLinux
import Cgroups
import Glibc
import LinuxSystem
import RuntimeProtocol
import Seccomp

/// The container's first process between being cloned and exec: it makes its own view of the machine, reports, waits to
/// be started and becomes the program. Its address space is its own (clone3 without CLONE_VM).
struct ContainerInit: ~Copyable {
    let specification: ContainerSpecification
    let group: ControlGroup
    let devices: [HostDevice]
    let streams: StandardStreams
    let sync: SyncChannel
    /// A directory that the root may be mounted on; in the container's mount namespace alone.
    let scratch: String

    consuming func run() -> Never {
        do {
            try setUp()
        } catch {
            try? sync.send(.failure(SetupError(error)))
        }
        _exit(1)
    }

    private func setUp() throws {
        try ProcessSetup.bindLifeToShim()
        try group.join(exceptUnified: group.unifiedPath != nil)
        let namespaces = specification.namespaces
        try Self.enter(namespaces.network, CL_CLONE_NEWNET)
        try Self.enter(namespaces.ipc, CL_CLONE_NEWIPC)
        try Self.enter(namespaces.uts, CL_CLONE_NEWUTS)
        if namespaces.cgroup == .new {
            try checked("unshare", on: "cgroup namespace", cl_unshare(Int32(CL_CLONE_NEWCGROUP)))
        } else {
            try Self.enter(namespaces.cgroup, CL_CLONE_NEWCGROUP)
        }
        if namespaces.network == .new { try checked("set up", on: "lo", cl_loopback_up()) }
        setsid()
        _ = cl_new_session_keyring(specification.id)
        try setNames()
        umask(0)
        let sources = try BindSources(
            specification, groups: group.directories, hasGroupNamespace: namespaces.cgroup != .host)
        try Mounts.setPropagation("/", UInt(CL_MS_REC) | UInt(CL_MS_SLAVE))
        let root = try RootMount.make(specification.root, scratch: scratch)
        let place = try MountTree.reopen(root.descriptor.rawValue)
        try ContainerMounts(specification: specification, root: root, sources: sources, nodes: devices).mountAll()
        if specification.root.isReadOnly { try MountTree.change(place.rawValue, set: Int(CL_ATTR_RDONLY)) }
        try Self.changeRoot(to: place.rawValue)
        var terminal: Int32?
        if specification.process.hasTerminal {
            let process = specification.process
            terminal = try StandardStreams.installTerminal(
                rows: process.terminalRows, columns: process.terminalColumns, console: true
            ).release()
        } else {
            try streams.install()
        }
        try sync.send(.ready(terminal: terminal))
        guard case .proceed(let filter) = try sync.receive() else { _exit(1) }
        try ProcessSetup(process: specification.process, filter: filter, hasReaper: specification.hasInit).become(sync)
    }

    private static func enter(_ choice: NamespaceSet.Choice, _ kind: some BinaryInteger) throws {
        guard case .path(let path) = choice else { return }
        let namespace = try Descriptor.open(path, O_RDONLY)
        try checked("setns", on: path, cl_setns(namespace.rawValue, Int32(kind)))
    }

    private func setNames() throws {
        guard specification.namespaces.uts == .new else { return }
        let name = specification.hostname
        try checked("sethostname", on: name, cl_sethostname(name, name.utf8.count))
        let domain = specification.domainname
        if !domain.isEmpty { try checked("setdomainname", on: domain, cl_setdomainname(domain, domain.utf8.count)) }
    }

    /// pivot_root(2): the old root comes to lie over the new one and is taken away.
    private static func changeRoot(to root: Int32) throws {
        try syscall("fchdir", on: "rootfs") { fchdir(root) }
        try checked("pivot_root", cl_pivot_root(".", "."))
        try Mounts.detach(".")
        try syscall("chdir", on: "/") { chdir("/") }
    }
}

/// A process of `exec` between being cloned and exec: it enters the container's namespaces.
struct ExecInit: ~Copyable {
    let process: ProcessSpecification
    let group: ControlGroup
    /// A pidfd of the container's first process.
    let container: Int32
    let streams: StandardStreams
    let sync: SyncChannel
    let filter: SeccompFilter?

    consuming func run() -> Never {
        do {
            try setUp()
        } catch {
            try? sync.send(.failure(SetupError(error)))
        }
        _exit(1)
    }

    private func setUp() throws {
        try ProcessSetup.bindLifeToShim()
        try group.join(exceptUnified: group.unifiedPath != nil)
        let all =
            CL_CLONE_NEWNS | CL_CLONE_NEWUTS | CL_CLONE_NEWIPC
            | CL_CLONE_NEWNET | CL_CLONE_NEWCGROUP
        try checked("setns", on: "container", cl_setns(container, Int32(all)))
        setsid()
        if process.hasTerminal {
            let master = try StandardStreams.installTerminal(
                rows: process.terminalRows, columns: process.terminalColumns, console: false)
            try sync.send(.ready(terminal: master.rawValue))
        } else {
            try streams.install()
        }
        try ProcessSetup(process: process, filter: filter, hasReaper: false).become(sync)
    }
}
