import Glibc

/// The steps of making a container, by name: in a debug build a test can let each of them fail.
public enum FaultPoint: String, CaseIterable, Sendable {
    case stateDirectory, groups, limits, devices, streams, clone, mapping, network, joinGroups, names, sources, root
    case mounts, runtimeHooks, containerHooks, pivot, terminal, process, ready, filter, state, pidFile, consoleSocket
    case handover

    /// Throws where the environment's `MARTLET_FAIL_AT` names this step. Nothing in a release build.
    public func reached() throws(SetupError) {
        #if DEBUG
            if let name = getenv("MARTLET_FAIL_AT"), String(cString: name) == rawValue {
                throw SetupError("failed on purpose at step \(rawValue)")
            }
        #endif
    }
}

/// What stands between a container and a known escape, by name: in a debug build a test can take each away, to see that
/// it would notice.
public enum Guard: String, CaseIterable, Sendable {
    /// CVE-2019-5736: the program's own file is out of reach.
    case executable
    /// CVE-2021-30465: places of mounts are descriptors, resolved beneath the root.
    case mountTarget
    /// CVE-2022-29162: nothing is inherited that the configuration does not name.
    case inheritable
    /// CVE-2024-21626: no descriptor of the host in the container, and the working directory is inside it.
    case descriptors, workingDirectory
    /// CVE-2025-31133: what hides a file is the null device.
    case nullDevice
    /// CVE-2025-52565: the console is mounted on the file that was opened.
    case console
    /// CVE-2025-52881: what is written in /proc is in /proc.
    case procFile

    /// True, unless the environment of a debug build names it in `MARTLET_WITHOUT_GUARD`, a list with commas.
    public var holds: Bool {
        #if DEBUG
            if let names = getenv("MARTLET_WITHOUT_GUARD") {
                return !String(cString: names).split(separator: ",").contains(Substring(rawValue))
            }
        #endif
        return true
    }
}
