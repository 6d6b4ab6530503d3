import CLinux
import Glibc

extension ProcessSetup {
    /// The streams belong to the user, so that it may open /dev/stdout and the like again.
    func own(_ uid: UInt32) {
        for descriptor in 0..<Int32(3) {
            var information = stat()
            guard fstat(descriptor, &information) == 0, information.st_uid != uid else { continue }
            // The null device may be the host's own node.
            let number = UInt64(information.st_rdev)
            if information.st_mode & S_IFMT == S_IFCHR, cl_major(number) == 1, cl_minor(number) == 3 { continue }
            _ = fchown(descriptor, uid, gid_t.max)
        }
    }

    /// Closes everything but 0, 1, 2, those that are to stay, and `kept`. To close with exec would not be enough: the
    /// program itself may be found through what is open.
    func closeDescriptors(but kept: [Int32]) {
        guard Guard.descriptors.holds else { return }
        var first = UInt32(3 + plan.preservedDescriptors)
        for descriptor in kept.map(UInt32.init).sorted() where descriptor >= first {
            if descriptor > first { _ = cl_close_range(first, descriptor - 1, 0) }
            first = descriptor + 1
        }
        _ = cl_close_range(first, .max, 0)
    }
}
