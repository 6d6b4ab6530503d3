import CLinux
import Glibc
import LinuxSystem
import RuntimeSpec

/// A new network namespace in the making: it takes the kernel longer than everything else of a container's together, so
/// it is begun as soon as it is known to be wanted.
public final class NetworkMaker {
    private static let stackSize = 16 << 10

    private let process: Int32
    private let stack: UnsafeMutableRawPointer
    /// To be looked at once the process has ended.
    private let made: UnsafeMutablePointer<cl_network>
    private var hasEnded = false

    /// Nil where the container is to have no new one, where that has to be made in another user namespace, and where no
    /// process can be had for it: then the first process makes its own.
    public init?(for linux: LinuxConfiguration) {
        let namespaces = NamespacePlan(linux)
        guard namespaces.hasNewNetwork, !namespaces.hasUser, !namespaces.needsStage else { return nil }
        stack = UnsafeMutableRawPointer.allocate(byteCount: Self.stackSize, alignment: 16)
        made = UnsafeMutablePointer.allocate(capacity: 1)
        made.initialize(to: cl_network())
        process = cl_begin_network(stack, Self.stackSize, made)
        if process < 0 {
            hasEnded = true
            return nil
        }
    }

    /// Waits until it is there. To be called once.
    func take() throws -> Descriptor {
        try FaultPoint.network.reached()
        end()
        let result = made.pointee.result
        if result >= 0 {
            made.pointee.result = -1
            return Descriptor(owning: result)
        }
        let step =
            switch made.pointee.step {
            case CL_NETWORK_UNSHARE: "cannot make a network namespace"
            case CL_NETWORK_LOOPBACK: "cannot set lo up"
            default: "cannot open /proc/thread-self/ns/net"
            }
        throw SetupError("linux.namespaces (network): \(step): \(describe(-result))")
    }

    private func end() {
        if hasEnded { return }
        // While it runs it writes to what belongs to this.
        precondition(cl_end_network(process) == 0, "a child of this process cannot be waited for")
        hasEnded = true
    }

    deinit {
        end()
        if made.pointee.result >= 0 { close(made.pointee.result) }
        stack.deallocate()
        made.deallocate()
    }
}
