extension SystemdManager {
    /// Makes a unit and waits until it has started; its processes are in its group then.
    ///
    /// A unit of this name that failed earlier is forgotten and the call made again, once. A slice that exists is fine.
    ///
    /// - Throws: ``SystemdError/jobFailed(unit:result:)``, ``SystemdError/timedOut(_:)`` after ``jobLimit``,
    ///   ``SystemdError/refused(call:name:message:)``.
    public mutating func start(_ unit: TransientUnit) throws(SystemdError) {
        let name = unit.path.unit
        let auxiliary = DBusValue.array(
            .structure([.basic(.string), .array(.structure([.basic(.string), .variant]))]), [])
        let arguments: [DBusValue] = [
            .string(name), .string("replace"), UnitProperty.array(unit.allProperties), auxiliary,
        ]
        var job: [DBusValue]
        do throws(SystemdError) {
            job = try call("StartTransientUnit", arguments)
        } catch {
            guard error.replyName == Self.busName + ".UnitExists" else { throw error }
            if unit.path.isSlice { return }
            try resetFailed(name)
            job = try call("StartTransientUnit", arguments)
        }
        do throws(SystemdError) {
            let result = try wait(for: job, of: name)
            guard result == "done" else { throw SystemdError.jobFailed(unit: name, result: result) }
        } catch {
            try? resetFailed(name)
            throw error
        }
    }

    /// Stops a unit, which ends its processes, and forgets it where it failed. A unit that is not there is fine.
    public mutating func stop(_ name: String) throws(SystemdError) {
        do throws(SystemdError) {
            let job = try call("StopUnit", [.string(name), .string("replace")])
            let result = try wait(for: job, of: name)
            // A scope may be gone before its job is; "failed" is cleared away below.
            guard ["done", "failed", "skipped"].contains(result) else {
                throw SystemdError.jobFailed(unit: name, result: result)
            }
        } catch {
            guard error.replyName == Self.busName + ".NoSuchUnit" else { throw error }
        }
        try resetFailed(name)
    }

    /// Changes properties of a unit until it ends; nothing is written to the disk.
    public mutating func set(_ properties: [UnitProperty], of name: String) throws(SystemdError) {
        guard !properties.isEmpty else { return }
        _ = try call("SetUnitProperties", [.string(name), .bool(true), UnitProperty.array(properties)])
    }

    /// Moves processes into a unit's group, or into `subgroup` beneath it: `/init`. For users who may not write there
    /// themselves.
    public mutating func attach(_ processes: [Int32], to name: String, subgroup: String = "") throws(SystemdError) {
        let numbers = processes.map { DBusValue.uint32(UInt32(bitPattern: $0)) }
        _ = try call(
            "AttachProcessesToUnit", [.string(name), .string(subgroup), .array(.basic(.uint32), numbers)])
    }

    /// Forgets that a unit failed, so that systemd lets go of it. A unit that is not there is fine.
    public mutating func resetFailed(_ name: String) throws(SystemdError) {
        do throws(SystemdError) {
            _ = try call("ResetFailedUnit", [.string(name)])
        } catch {
            guard error.replyName == Self.busName + ".NoSuchUnit" else { throw error }
        }
    }

    /// Waits for a job's end; how it ended: `done`, `failed`, `canceled`, `timeout`, `dependency`, `skipped`.
    private mutating func wait(for reply: [DBusValue], of name: String) throws(SystemdError) -> String {
        guard case .objectPath(let job)? = reply.first else { throw .malformed("a job for \(name) without a path") }
        let owner = owner
        let signal = try connection.signal("the job for \(name)", Deadline(after: jobLimit)) { signal in
            guard signal.member == "JobRemoved", signal.interface == Self.interface, signal.path == Self.objectPath,
                owner == nil || signal.sender == owner
            else { return false }
            return signal.body.count == 4 && signal.body[1] == .objectPath(job)
        }
        guard case .string(let result) = signal.body[3] else { throw .malformed("JobRemoved without a result") }
        return result
    }
}
