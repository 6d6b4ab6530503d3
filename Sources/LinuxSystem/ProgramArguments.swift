import CLinux
import Glibc

/// What this program was called with, for one that has to be quick: `CommandLine` does more to find it.
public enum ProgramArguments {
    /// The program's own name first.
    public static var all: [String] {
        var count: Int32 = 0
        guard let arguments = cl_arguments(&count) else { return [] }
        return (0..<Int(count)).map { String(cString: arguments[$0]!) }
    }

    /// Overwrites them: whoever looks at /proc/PID/cmdline (proc(5)) finds as much of the name as the program's own has
    /// room for.
    public static func hide(behind name: String) {
        var count: Int32 = 0
        guard let arguments = cl_arguments(&count) else { return }
        for index in 0..<Int(count) {
            guard let argument = arguments[index] else { continue }
            let length = strlen(argument)
            memset(argument, 0, length)
            if index == 0 { memcpy(argument, name, min(length, name.utf8.count)) }
        }
    }
}
