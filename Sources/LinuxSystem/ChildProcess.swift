import CLinux
import Glibc

/// Starting programs and waiting for them.
public enum ChildProcess {
    /// Starts a program (posix_spawn(3)) with all signals at their defaults.
    ///
    /// - Parameters:
    ///   - arguments: what the program gets, its own name first.
    ///   - descriptors: become its descriptors 0, 1, 2 and so on; it gets no others.
    ///   - inNewSession: detaches it from this process's terminal and group (setsid(2)).
    public static func spawn(
        _ path: String, _ arguments: [String], environment: [String], descriptors: [Int32],
        inNewSession: Bool = false
    ) throws(SystemError) -> pid_t {
        var pid: pid_t = 0
        let result = withCStrings(arguments) { arguments in
            withCStrings(environment) { environment in
                cl_spawn(
                    path, arguments, environment, descriptors, Int32(descriptors.count), inNewSession ? 1 : 0, &pid)
            }
        }
        try checked("spawn", on: path, result)
        return pid
    }

    /// Waits for a child: its exit code, or 128 and the signal that ended it.
    public static func wait(_ pid: pid_t) throws(SystemError) -> Int32 {
        var code: Int32 = 0
        try checked("waitpid", on: "\(pid)", cl_wait(pid, 0, &code))
        return code
    }

    /// Calls `body` with a null-terminated array of C strings.
    public static func withCStrings<Result>(
        _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        let pointers = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: strings.count + 1)
        for (index, string) in strings.enumerated() { (pointers + index).initialize(to: strdup(string)) }
        (pointers + strings.count).initialize(to: nil)
        defer {
            for index in strings.indices { free(pointers[index]) }
            pointers.deallocate()
        }
        return body(pointers)
    }
}
