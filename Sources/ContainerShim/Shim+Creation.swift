import CLinux
import Cgroups
import Containment
import Glibc
import JSON
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec

extension Shim {
    /// Makes the container; its first process waits to be started. Leaves nothing behind where that fails.
    func create(_ specification: ContainerSpecification) throws {
        let subreaper: Int32 = 36
        _ = cl_prctl(subreaper, 1, 0, 0, 0)
        try FaultPoint.stateDirectory.reached()
        let lock = try Descriptor.open(runDirectory + "/" + ShimFiles.lock, O_RDWR | O_CREAT, mode: 0o600)
        // An earlier shim of the container may be about to end.
        try syscall("flock", on: runDirectory) { flock(lock.rawValue, LOCK_EX) }
        self.lock = lock.release()
        do {
            signals = try checked("signalfd", cl_signal_descriptor())
            log = try ContainerLog(specification.log)
            let devices = try HostDevices(specification)
            // What there is of v2 is where the first process begins.
            try FaultPoint.groups.reached()
            try group.part(isUnified: true).create()
            try cloneInit(specification, devices)
            try FaultPoint.handover.reached()
            listener = try UnixSocket.listen(runDirectory + "/" + ShimFiles.socket).release()
            let state = ShimState(
                version: ContainerSpecification.currentVersion, shimPid: getpid(), containerPid: containerPid,
                cgroups: group.directories)
            try FaultPoint.state.reached()
            try Files.write(runDirectory + "/" + ShimFiles.state, JSONCoding.encode(state), mode: 0o600)
        } catch {
            group.removeWithProcesses(reapsChildren: true)
            unlink(runDirectory + "/" + ShimFiles.socket)
            throw error
        }
    }

    private func rules(
        _ specification: ContainerSpecification, _ devices: HostDevices
    ) throws -> [LinuxResources.DeviceRule] {
        let own = try specification.resources.deviceRules.map { text in
            guard let rule = LinuxResources.DeviceRule(text) else {
                throw SetupError("invalid device rule \"\(text)\"")
            }
            return rule
        }
        return LinuxResources.DeviceRule.defaults + own + devices.rules
    }

    private func plan(_ specification: ContainerSpecification, _ devices: HostDevices) -> ContainerPlan {
        var configuration = RuntimeConfiguration()
        configuration.hostname = specification.hostname
        configuration.domainname = specification.domainname
        configuration.mounts = specification.mounts
        configuration.linux = specification.linux
        configuration.linux?.devices = (specification.linux.devices ?? []) + devices.devices
        var process = ProcessPlan(specification.process)
        process.hasReaper = specification.hasInit
        return ContainerPlan(
            id: specification.id, configuration: configuration, root: specification.root, process: process,
            group: group, scratch: runDirectory)
    }

    private func cloneInit(_ specification: ContainerSpecification, _ devices: HostDevices) throws {
        let streams = try StandardStreams(
            hasTerminal: specification.process.hasTerminal, hasInput: specification.process.hasInput)
        // While the first process mounts, this one makes its group and compiles its filter.
        let launcher = ContainerLauncher(plan(specification, devices), streams: streams)
        let launched = try launcher.launch { _ in
        } makingGroup: { [unowned self] _ in
            try group.part(isUnified: false).create()
            try FaultPoint.limits.reached()
            try group.apply(specification.resources)
            try FaultPoint.devices.reached()
            if !specification.resources.allowsAllDevices, !specification.isPrivileged {
                try group.restrictDevices(rules(specification, devices))
            }
            return group
        } whileMounting: { [unowned self] _ in
            try FaultPoint.filter.reached()
            firstFilter = try filter(of: specification.process)
            return firstFilter
        }
        pidfd = launched.pidfd
        let process = ContainedProcess(
            pid: launched.pid, sync: launched.sync, streams: streams, specification: specification.process, loop: loop)
        container = process
        follow(process)
        if let terminal = launched.terminal { process.adopt(terminal: terminal) }
        process.openStreams()
        mountNamespace = (try? Descriptor.open("/proc/\(launched.pid)/ns/mnt", O_RDONLY).release()) ?? -1
    }
}

extension ProcessPlan {
    init(_ specification: ProcessSpecification) {
        self.init(specification.configuration)
        names = specification.user
        endsWithMaker = true
    }
}
