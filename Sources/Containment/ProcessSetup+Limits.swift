import CLinux
import Glibc
import LinuxSystem
import RuntimeSpec

/// What holds for the process itself: limits, score, scheduling, labels.
extension ProcessSetup {
    func setLimits(_ proc: borrowing HostProc) throws {
        for (index, limit) in (process.rlimits ?? []).enumerated() {
            guard let number = ProcessConfiguration.ResourceLimit.number(of: limit.type) else {
                throw SetupError("process.rlimits[\(index)].type: \"\(limit.type)\" is no limit")
            }
            let result = cl_setrlimit(number, limit.soft, limit.hard)
            if result < 0 { throw ProcessPlan.refused(limit: number, -result) }
        }
        let file = "self/oom_score_adj"
        if hasUserNamespace, process.oomScoreAdj != nil {
            // The runtime has set it.
        } else if let score = process.oomScoreAdj {
            do {
                try proc.write(file, "\(score)")
            } catch {
                throw SetupError("write /proc/\(file): \(describe(error.errno))")
            }
        } else if plan.endsWithMaker, let present = try? proc.text(file), present.hasPrefix("-") {
            // The engine's shims may be protected, but what they start is not.
            try? proc.write(file, "0")
        }
    }

    func schedule() throws {
        if let personality = plan.personality {
            let domain = personality.domain == "LINUX32" ? CL_PER_LINUX32 : CL_PER_LINUX
            try checked("personality", on: personality.domain, cl_set_personality(UInt(domain)))
        }
        if let scheduler = process.scheduler {
            let flags = (scheduler.flags ?? []).reduce(0 as UInt64) {
                $0 | (ProcessConfiguration.Scheduler.flagBits[$1] ?? 0)
            }
            let policy = ProcessConfiguration.Scheduler.policies[scheduler.policy] ?? 0
            try Self.member("process.scheduler") { () throws(SystemError) in
                try checked(
                    "sched_setattr", on: scheduler.policy,
                    cl_set_scheduler(
                        policy, flags, scheduler.nice ?? 0, UInt32(bitPattern: scheduler.priority ?? 0),
                        scheduler.runtime ?? 0, scheduler.deadline ?? 0, scheduler.period ?? 0))
            }
        }
        if let priority = process.ioPriority {
            let number = ProcessConfiguration.IOPriority.classes[priority.class] ?? 0
            try Self.member("process.ioPriority") { () throws(SystemError) in
                try checked("ioprio_set", on: priority.class, cl_set_io_priority(number, priority.priority))
            }
        }
    }

    /// Labels of AppArmor and SELinux, taken on with exec (apparmor(7), selinux(8)).
    func label(_ proc: borrowing HostProc) throws {
        if let profile = process.apparmorProfile, !profile.isEmpty {
            guard SecurityModules.hasAppArmor(proc) else {
                throw SetupError("process.apparmorProfile: this kernel has no AppArmor")
            }
            do {
                try proc.write("self/attr/apparmor/exec", "exec " + profile)
            } catch {
                throw SetupError("process.apparmorProfile: \"\(profile)\" is refused: \(describe(error.errno))")
            }
        }
        if let label = process.selinuxLabel, !label.isEmpty {
            guard SecurityModules.hasSELinux(proc) else {
                throw SetupError("process.selinuxLabel: this kernel has no SELinux")
            }
            do {
                try proc.write("self/attr/exec", label)
            } catch {
                throw SetupError("process.selinuxLabel: \"\(label)\" is refused: \(describe(error.errno))")
            }
        }
    }
}

extension ProcessPlan {
    /// Lets a process in another user namespace have its limits, which it sets itself: to raise a hard limit takes
    /// CAP_SYS_RESOURCE on the host (setrlimit(2)).
    func raiseLimits(of pid: pid_t) throws {
        for limit in configuration.rlimits ?? [] {
            guard let number = ProcessConfiguration.ResourceLimit.number(of: limit.type) else { continue }
            let result = cl_raise_limit(pid, number, limit.hard)
            if result < 0 { throw Self.refused(limit: number, -result) }
        }
    }

    fileprivate static func refused(limit: Int32, _ error: Int32) -> SetupError {
        SetupError("error setting rlimits for ready process: error setting rlimit type \(limit): \(describe(error))")
    }
}
