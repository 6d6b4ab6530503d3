import RuntimeSpec

extension ContainerMounts {
    /// Kernel parameters of the container's own namespaces (sysctl(8)).
    func setParameters() throws {
        for (name, value) in (plan.linux.sysctl ?? [:]).sorted(by: { $0.key < $1.key }) {
            guard Self.path(ofParameter: name) != "kernel/hostname" else {
                throw SetupError("linux.sysctl: sysctl \"\(name)\" is not allowed: the member hostname is for it")
            }
            guard isNamespaced(name) else {
                throw SetupError("linux.sysctl: sysctl \"\(name)\" is not in a separate kernel namespace")
            }
            let path = "sys/" + Self.path(ofParameter: name)
            do {
                try proc.write(path, value)
            } catch {
                throw SetupError("linux.sysctl: cannot write \"\(value)\" to /proc/\(path): \(describe(error.errno))")
            }
        }
    }

    /// Dots part the components, and a slash is a dot then; or the other way round where a slash comes first
    /// (sysctl.d(5)).
    private static func path(ofParameter name: String) -> String {
        guard let first = name.first(where: { $0 == "." || $0 == "/" }), first == "." else { return name }
        return String(name.map { $0 == "." ? "/" : $0 == "/" ? "." : $0 })
    }

    private func isNamespaced(_ parameter: String) -> Bool {
        let name = Self.path(ofParameter: parameter).split(separator: "/").joined(separator: ".")
        let leadsUp = zip(parameter.utf8, parameter.utf8.dropFirst()).contains { $0 == 0x2e && $1 == 0x2e }
        if leadsUp { return false }
        if name.hasPrefix("net.") { return proc.isSeparate(\.network) }
        let ipc: Set<String> = [
            "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax",
            "kernel.shmmni", "kernel.shm_rmid_forced",
        ]
        if ipc.contains(name) || name.hasPrefix("fs.mqueue.") { return proc.isSeparate(\.ipc) }
        return name == "kernel.domainname" && proc.isSeparate(\.uts)
    }
}
