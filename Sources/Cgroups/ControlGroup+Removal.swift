import CLinux
import Glibc
import LinuxSystem

extension ControlGroup {
    /// How long processes may take to die, nanoseconds.
    private static let patience: Int64 = 10_000_000_000
    /// The pause between two tries, microseconds.
    private static let pause: UInt32 = 500

    /// Kills what is left in the group and takes it away.
    ///
    /// - Parameter reapsChildren: waits for children of this process that have ended, whichever they are: for a program
    ///   to which nothing but the container's processes come.
    /// - Returns: false where processes outlive ten seconds.
    @discardableResult
    public func removeWithProcesses(reapsChildren: Bool) -> Bool {
        let deadline = Clock.sinceBoot() + Self.patience
        var isGone = remove()
        while !isGone, Clock.sinceBoot() < deadline {
            killAll()
            var code: Int32 = 0
            while reapsChildren, cl_wait(-1, 1, &code) > 0 {}
            isGone = remove()
            if !isGone { usleep(Self.pause) }
        }
        return isGone
    }
}
