import Glibc

/// Descriptors 0, 1 and 2.
public enum StandardDescriptors {
    /// Opens /dev/null for those that are closed: whatever is opened next would take their place, and with it what is
    /// read, printed and handed on to the container. To be called first of all; without /dev/null the program ends.
    public static func fill() {
        for descriptor in 0..<Int32(3) where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest that is free is this one.
            guard open("/dev/null", O_RDWR) == descriptor else { _exit(1) }
        }
    }
}
