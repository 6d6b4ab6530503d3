import Glibc
import LinuxSystem
import Testing

@testable import SystemdUnits

/// org.freedesktop.systemd1(5): units start and stop by jobs, whose ends signals tell.
@Suite struct SystemdJobTests {
    private static func scope() throws -> TransientUnit {
        try TransientUnit(
            SystemdCgroupPath(cgroupsPath: "a.slice:martlet:web", identifier: "web"), description: "web",
            process: 41, hierarchy: .unified, properties: [UnitProperty("TasksMax", .uint64(7))])
    }

    private static let unit = "martlet-web.scope"
    private static let (exists, missing) = (
        SystemdManager.busName + ".UnitExists", SystemdManager.busName + ".NoSuchUnit"
    )

    private static func heard(_ peer: inout BusPeer, _ member: String, _ arguments: [DBusValue]? = nil) throws
        -> DBusMessage
    {
        try peer.call(member, arguments, to: SystemdManager.busName)
    }

    private static func answerReset(_ peer: inout BusPeer) throws {
        let reset = try heard(&peer, "ResetFailedUnit", [.string(unit)])
        try peer.refuse(reset, missing, "Unit \(unit) not loaded.")
    }

    @Test func aScopeStarts() throws {
        let unit = try Self.scope()
        let wanted: [DBusValue] = [
            .string(Self.unit), .string("replace"), UnitProperty.array(unit.allProperties),
            .array(.structure([.basic(.string), .array(.structure([.basic(.string), .variant]))]), []),
        ]
        try FakeBus.systemd { peer in
            let start = try Self.heard(&peer, "StartTransientUnit", wanted)
            guard wanted.map(\.type.signature).joined() == "ssa(sv)a(sa(sv))" else {
                throw BusPeer.Surprise(description: "\(wanted.map(\.type.signature))")
            }
            // Others' jobs, and another's word on this one.
            try peer.send(BusPeer.jobRemoved(8, "failed", of: "other.scope"))
            try peer.answerWithJob(start, 9)
            try peer.send(BusPeer.jobRemoved(9, "canceled", of: Self.unit, sender: ":1.66"))
            try peer.send(BusPeer.signal("JobNew", [.uint32(9), .objectPath(BusPeer.jobPath(9)), .string(Self.unit)]))
            try peer.send(BusPeer.jobRemoved(99, "failed", of: Self.unit))
            try peer.send(BusPeer.jobRemoved(9, "done", of: Self.unit))
        } client: {
            try $0.start(unit)
        }
    }

    /// The job may be over before systemd's answer with its name is read.
    @Test func theSignalComesBeforeTheReply() throws {
        let unit = try Self.scope()
        try FakeBus.systemd { peer in
            let start = try Self.heard(&peer, "StartTransientUnit")
            try peer.send(BusPeer.jobRemoved(9, "done", of: Self.unit))
            try peer.answerWithJob(start, 9)
        } client: {
            try $0.start(unit)
        }
    }

    @Test(arguments: ["failed", "timeout", "canceled", "dependency", "skipped"])
    func aScopeDoesNotStart(_ result: String) throws {
        let unit = try Self.scope()
        try FakeBus.systemd { peer in
            let start = try Self.heard(&peer, "StartTransientUnit")
            try peer.answerWithJob(start, 9)
            try peer.send(BusPeer.jobRemoved(9, result, of: Self.unit))
            try Self.answerReset(&peer)
        } client: { manager in
            #expect(throws: SystemdError.jobFailed(unit: Self.unit, result: result)) { try manager.start(unit) }
        }
    }

    @Test func aJobThatDoesNotEnd() throws {
        let unit = try Self.scope()
        try FakeBus.systemd(jobLimit: .milliseconds(50)) { peer in
            let start = try Self.heard(&peer, "StartTransientUnit")
            try peer.answerWithJob(start, 9)
            try Self.answerReset(&peer)
        } client: { manager in
            #expect(throws: SystemdError.timedOut("the job for \(Self.unit)")) { try manager.start(unit) }
        }
    }

    @Test func aRefusedStartIsNotTriedAgain() throws {
        let unit = try Self.scope()
        try FakeBus.systemd { peer in
            let start = try Self.heard(&peer, "StartTransientUnit")
            try peer.refuse(start, "org.freedesktop.DBus.Error.AccessDenied", "Permission denied")
            try peer.waitForEnd()
        } client: { manager in
            #expect(
                throws: SystemdError.refused(
                    call: SystemdManager.interface + ".StartTransientUnit",
                    name: "org.freedesktop.DBus.Error.AccessDenied", message: "Permission denied")
            ) { try manager.start(unit) }
        }
    }

    @Test func aUnitThatFailedEarlierIsForgotten() throws {
        let unit = try Self.scope()
        try FakeBus.systemd { peer in
            let first = try Self.heard(&peer, "StartTransientUnit")
            try peer.refuse(first, Self.exists, "Unit \(Self.unit) already exists.")
            let reset = try Self.heard(&peer, "ResetFailedUnit", [.string(Self.unit)])
            try peer.answer(reset)
            let second = try Self.heard(&peer, "StartTransientUnit", first.body)
            try peer.answerWithJob(second, 10)
            try peer.send(BusPeer.jobRemoved(10, "done", of: Self.unit))
        } client: {
            try $0.start(unit)
        }
    }

    /// It runs: the second refusal is the answer, and the unit is left alone.
    @Test func aUnitThatRunsIsNotTakenOver() throws {
        let unit = try Self.scope()
        try FakeBus.systemd { peer in
            for attempt in 0..<2 {
                let start = try Self.heard(&peer, "StartTransientUnit")
                try peer.refuse(start, Self.exists, "Unit \(Self.unit) already exists.")
                if attempt == 0 {
                    let reset = try Self.heard(&peer, "ResetFailedUnit", [.string(Self.unit)])
                    try peer.answer(reset)
                }
            }
            try peer.waitForEnd()
        } client: { manager in
            do throws(SystemdError) {
                try manager.start(unit)
                Issue.record("it is started")
            } catch {
                #expect(error.replyName == Self.exists)
            }
        }
    }

    @Test func aSliceMayExist() throws {
        let slice = try TransientUnit(
            SystemdCgroupPath(cgroupsPath: "a.slice:martlet:a-b.slice", identifier: "x"), description: "pod",
            process: nil, hierarchy: .unified)
        try FakeBus.systemd { peer in
            let start = try Self.heard(&peer, "StartTransientUnit")
            guard start.body.first == .string("a-b.slice") else { throw BusPeer.Surprise(description: "\(start)") }
            try peer.refuse(start, Self.exists, "Unit a-b.slice already exists.")
            try peer.waitForEnd()
        } client: {
            try $0.start(slice)
        }
    }

    // MARK: Stopping

    @Test(arguments: ["done", "failed", "skipped"]) func aUnitStops(_ result: String) throws {
        try FakeBus.systemd { peer in
            let stop = try Self.heard(&peer, "StopUnit", [.string(Self.unit), .string("replace")])
            try peer.answerWithJob(stop, 4)
            try peer.send(BusPeer.jobRemoved(4, result, of: Self.unit))
            try Self.answerReset(&peer)
        } client: {
            try $0.stop(Self.unit)
        }
    }

    @Test func aMissingUnitIsStopped() throws {
        try FakeBus.systemd { peer in
            let stop = try Self.heard(&peer, "StopUnit")
            try peer.refuse(stop, Self.missing, "Unit \(Self.unit) not loaded.")
            try Self.answerReset(&peer)
        } client: {
            try $0.stop(Self.unit)
        }
    }

    @Test func aUnitDoesNotStop() throws {
        try FakeBus.systemd { peer in
            let stop = try Self.heard(&peer, "StopUnit")
            try peer.answerWithJob(stop, 4)
            try peer.send(BusPeer.jobRemoved(4, "canceled", of: Self.unit))
            let refused = try Self.heard(&peer, "StopUnit")
            try peer.refuse(refused, "org.freedesktop.DBus.Error.AccessDenied", "no")
            try peer.waitForEnd()
        } client: { manager in
            #expect(throws: SystemdError.jobFailed(unit: Self.unit, result: "canceled")) {
                try manager.stop(Self.unit)
            }
            do throws(SystemdError) {
                try manager.stop(Self.unit)
                Issue.record("it is stopped")
            } catch {
                #expect(error.replyName == "org.freedesktop.DBus.Error.AccessDenied")
            }
        }
    }
}
