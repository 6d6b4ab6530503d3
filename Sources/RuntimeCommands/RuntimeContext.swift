import Containment
import Glibc
import LinuxSystem
import RuntimeSpec

/// What every command needs: settings, the log, and where states are kept.
struct RuntimeContext {
    let settings: RuntimeSettings
    let log: RuntimeLog
    let store: StateStore
    /// Whether this process is in a user namespace that is not the machine's first, as root of which it may less.
    let isInUserNamespace: Bool
    /// Whether groups and the like that cannot be had are left out.
    let isRootless: Bool

    init(_ settings: RuntimeSettings, _ log: RuntimeLog) {
        self.settings = settings
        self.log = log
        let map = (try? Files.text("/proc/self/uid_map")) ?? ""
        let words = map.split { $0 == " " || $0 == "\n" }
        isInUserNamespace = !words.isEmpty && words != ["0", "0", "4294967295"]
        isRootless = settings.isRootless ?? (geteuid() != 0 || isInUserNamespace)
        store = StateStore(root: settings.root ?? Self.usualRoot(isInUserNamespace))
    }

    /// As with runc the root of a user namespace keeps its states where the user does who made that, as podman's is,
    /// unless it is root by name too, as in a container.
    private static func usualRoot(_ isInUserNamespace: Bool) -> String {
        let isUsers = geteuid() != 0 || isInUserNamespace && getenv("USER").map { String(cString: $0) } != "root"
        guard isUsers, let directory = getenv("XDG_RUNTIME_DIR") else { return "/run/martlet-runtime" }
        return String(cString: directory) + "/martlet-runtime"
    }

    func container(_ id: String) throws -> StoredContainer { try store.load(id) }

    /// Hooks after the fact: what fails is a warning, and all the rest goes on as if it had succeeded (runtime.md:
    /// Lifecycle).
    func runHooks(_ hooks: [RuntimeConfiguration.Hook]?, _ name: String, _ state: ContainerState) {
        for failure in HookRunner.runAll(hooks, name, state) { log.warning(failure.reason) }
    }

    /// An absolute path of what a user gave, beneath the directory that the command was given in.
    static func absolute(_ path: String) -> String {
        if path.hasPrefix("/") { return path }
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        guard getcwd(&buffer, buffer.count) != nil else { return path }
        let here = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return path == "." ? here : here + "/" + path
    }
}
