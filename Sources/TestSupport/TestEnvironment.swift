import Glibc
import LinuxSystem

/// What the machine that runs the tests allows and has.
public enum TestEnvironment {
    /// True for root. A test that needs it is marked `.enabled(if: TestEnvironment.isRoot, "needs root")`, so
    /// that a skip shows.
    public static let isRoot = geteuid() == 0

    /// The running test bundle.
    public static let bundlePath: String = {
        var buffer = [CChar](repeating: 0, count: 4096)
        guard readlink("/proc/self/exe", &buffer, buffer.count - 1) > 0 else { return "/proc/self/exe" }
        return buffer.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }()

    /// The directory of the running test bundle, where the programs of the same build lie.
    public static let buildDirectory = Files.parent(of: bundlePath)

    /// The path of a program of this build (`martlet`, `martletd`, `martlet-net`, `martlet-runtime`); nil where the
    /// build did not make it.
    public static func program(_ name: String) -> String? {
        let path = buildDirectory + "/" + name
        return access(path, X_OK) == 0 ? path : nil
    }

    /// The path of an installed command; nil where the PATH has none.
    public static func command(_ name: String) -> String? {
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/sbin:/usr/bin:/sbin:/bin"
        for directory in path.split(separator: ":") where access(directory + "/" + name, X_OK) == 0 {
            return directory + "/" + name
        }
        return nil
    }
}
