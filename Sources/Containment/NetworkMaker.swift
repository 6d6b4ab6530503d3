import CLinux
import Glibc
import LinuxSystem
import RuntimeSpec

/// A new network namespace in the making: it takes the kernel longer than everything else of a container's together, so
/// it is begun as soon as it is known to be wanted.
public final class NetworkMaker {
    private static let stackSize = 16 << 10

    private let pid: pid_t
    private let stack: UnsafeMutableRawPointer
    /// The descriptor, or -errno, once the process has ended.
    private let result: UnsafeMutablePointer<Int32>
    private var isTaken = false

    /// Nil where the container is to have no new one, where that has to be made in another user namespace, and where no
    /// process can be had for it: then the first process makes its own.
    public init?(for linux: LinuxConfiguration) {
        let namespaces = NamespacePlan(linux)
        guard namespaces.hasNewNetwork, !namespaces.hasUser, !namespaces.needsStage else { return nil }
        stack = UnsafeMutableRawPointer.allocate(byteCount: Self.stackSize, alignment: 16)
        result = UnsafeMutablePointer.allocate(capacity: 1)
        result.initialize(to: -ECANCELED)
        pid = cl_begin_network(stack, Self.stackSize, result)
        if pid < 0 { return nil }
    }

    /// Waits until it is there. To be called once.
    func take() throws -> Descriptor {
        try FaultPoint.network.reached()
        isTaken = true
        try checked("waitpid", on: "network namespace", cl_end_network(pid))
        return Descriptor(owning: try checked("unshare", on: "network namespace", result.pointee))
    }

    deinit {
        if pid >= 0, !isTaken, cl_end_network(pid) == 0, result.pointee >= 0 { close(result.pointee) }
        stack.deallocate()
        result.deallocate()
    }
}
