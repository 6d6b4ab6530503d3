import CLinux
import Glibc
import LinuxSystem
import TestSupport
import Testing

/// A network namespace that another process makes while this one goes on (clone(2): CLONE_VM, CLONE_FILES).
@Suite(.enabled(if: TestEnvironment.isRoot, "needs root")) struct NetworkBesideTests {
    private static let stackSize = 16 << 10

    private static func make(meanwhile: () -> Void = {}) throws -> cl_network {
        let stack = UnsafeMutableRawPointer.allocate(byteCount: stackSize, alignment: 16)
        let made = UnsafeMutablePointer<cl_network>.allocate(capacity: 1)
        defer {
            stack.deallocate()
            made.deallocate()
        }
        let process = try checked("clone", cl_begin_network(stack, stackSize, made))
        meanwhile()
        try checked("waitid", cl_end_network(process))
        return made.pointee
    }

    private static func identity(_ descriptor: Int32) -> UInt64 {
        var information = stat()
        fstat(descriptor, &information)
        return UInt64(information.st_ino)
    }

    @Test func isAnotherWithLoopbackUp() throws {
        let made = try Self.make()
        #expect(made.step == CL_NETWORK_OPEN && made.result > 2)
        let namespace = Descriptor(owning: made.result)
        let own = try Descriptor.open("/proc/self/ns/net", O_RDONLY)
        #expect(Self.identity(namespace.rawValue) != Self.identity(own.rawValue))
        // Closed by exec.
        #expect(fcntl(namespace.rawValue, F_GETFD) & FD_CLOEXEC != 0)
        let isUp = try NetworkNamespace.run(in: namespace.rawValue) {
            let probe = try checked("socket", socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0))
            defer { close(probe) }
            // Something may be sent to 127.0.0.1 where lo is up.
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = 9
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            return withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(probe, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
        }
        #expect(isUp)
    }

    @Test func theErrorNumberOfWhoeverGoesOnIsItsOwn() throws {
        for _ in 0..<20 {
            var seen: Set<Int32> = []
            let made = try Self.make {
                for _ in 0..<2_000 {
                    close(-1)
                    seen.insert(errno)
                }
            }
            #expect(seen == [EBADF])
            close(made.result)
        }
    }
}
