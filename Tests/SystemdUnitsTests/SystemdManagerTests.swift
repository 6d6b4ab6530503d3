import Glibc
import LinuxSystem
import TestSupport
import Testing

@testable import SystemdUnits

/// org.freedesktop.systemd1(5), over a bus and without one; systemd is a script.
@Suite struct SystemdManagerTests {
    @Test func propertiesAreRead() throws {
        let unit = try SystemdCgroupPath(cgroupsPath: "a.slice:martlet:web", identifier: "web")
        let slice = try SystemdCgroupPath(cgroupsPath: "a.slice:martlet:a-b.slice", identifier: "web")
        let object = "/org/freedesktop/systemd1/unit/web"
        try FakeBus.systemd { peer in
            func answerGet(
                _ peer: inout BusPeer, _ interface: String, _ name: String, _ value: DBusValue, of path: String
            )
                throws
            {
                let get = try peer.call("Get", [.string(interface), .string(name)], to: SystemdManager.busName)
                guard get.path == path, get.interface == "org.freedesktop.DBus.Properties" else {
                    throw BusPeer.Surprise(description: "\(get)")
                }
                try peer.answer(get, [.variant(value)])
            }
            let (root, manager) = (SystemdManager.objectPath, SystemdManager.interface)
            for version in ["252.39-1~deb12u1", "v249", "nonsense"] {
                try answerGet(&peer, manager, "Version", .string(version), of: root)
            }
            try answerGet(&peer, manager, "Version", .uint32(252), of: root)
            try answerGet(&peer, manager, "ControlGroup", .string("/user.slice"), of: root)
            let getUnit = try peer.call("GetUnit", [.string(unit.unit)], to: SystemdManager.busName)
            try peer.answer(getUnit, [.objectPath(object)])
            try answerGet(
                &peer, SystemdManager.busName + ".Scope", "ControlGroup", .string("/a.slice/martlet-web.scope"),
                of: object)
            let getSlice = try peer.call("GetUnit", [.string("a-b.slice")], to: SystemdManager.busName)
            try peer.answer(getSlice, [.objectPath(object)])
            try answerGet(
                &peer, SystemdManager.busName + ".Slice", "ControlGroup", .string("/a.slice/a-b.slice"), of: object)
        } client: { manager in
            expectEqual(try manager.version(), 252)
            expectEqual(try manager.version(), 249)
            #expect(throws: SystemdError.malformed("\"nonsense\" is no version of systemd")) {
                try manager.version()
            }
            #expect(throws: SystemdError.malformed("Version is no text")) { try manager.version() }
            expectEqual(try manager.controlGroup(), "/user.slice")
            expectEqual(try manager.controlGroup(unit), unit.controlGroup)
            expectEqual(try manager.controlGroup(slice), slice.controlGroup)
        }
    }

    @Test func settingAndAttaching() throws {
        let properties = [UnitProperty("TasksMax", .uint64(7)), UnitProperty("MemoryMax", .uint64(.max))]
        let array = DBusValue.array(
            .structure([.basic(.string), .variant]),
            [
                .structure([.string("TasksMax"), .variant(.uint64(7))]),
                .structure([.string("MemoryMax"), .variant(.uint64(.max))]),
            ])
        try FakeBus.systemd { peer in
            let set = try peer.call(
                "SetUnitProperties", [.string("a.scope"), .bool(true), array], to: SystemdManager.busName)
            try peer.answer(set)
            let refused = try peer.call("SetUnitProperties", to: SystemdManager.busName)
            try peer.refuse(refused, "org.freedesktop.DBus.Error.PropertyReadOnly", "no")
            let attach = try peer.call(
                "AttachProcessesToUnit",
                [.string("a.scope"), .string("/init"), .array(.basic(.uint32), [.uint32(5), .uint32(6)])],
                to: SystemdManager.busName)
            try peer.answer(attach)
        } client: { manager in
            try manager.set(properties, of: "a.scope")
            // Nothing to set is not asked for.
            try manager.set([], of: "a.scope")
            #expect(
                throws: SystemdError.refused(
                    call: SystemdManager.interface + ".SetUnitProperties",
                    name: "org.freedesktop.DBus.Error.PropertyReadOnly", message: "no")
            ) {
                try manager.set(properties, of: "a.scope")
            }
            try manager.attach([5, 6], to: "a.scope", subgroup: "/init")
        }
    }

    @Test func systemdDoesNotAnswer() throws {
        try FakeBus.systemd(answerLimit: .milliseconds(300)) { peer in
            _ = try peer.call("Get", to: SystemdManager.busName)
            let next = try peer.call("Get", to: SystemdManager.busName)
            try peer.answer(next, [.variant(.string("252"))])
        } client: { manager in
            #expect(throws: SystemdError.timedOut("org.freedesktop.DBus.Properties.Get")) {
                try manager.version()
            }
            expectEqual(try manager.version(), 252)
        }
    }

    // MARK: Finding systemd

    private static func failures(_ addresses: [BusAddress]) -> String? {
        do throws(SystemdError) {
            _ = try SystemdManager(addresses)
            return nil
        } catch {
            guard case .unavailable(let reasons) = error else { return "\(error)" }
            return reasons
        }
    }

    /// The bus is not there: systemd's own socket is, where nobody is greeted and no signal has a sender.
    @Test func systemdsOwnSocketIsTheSecondChoice() throws {
        let directory = try TemporaryDirectory("systemd")
        let listener = try UnixSocket.listen(directory.path("private"))
        let number = listener.rawValue
        let thread = ScriptThread {
            var peer = BusPeer(BusSocket(owning: try UnixSocket.accept(number).release()))
            peer.sender = nil
            try peer.authenticate()
            let subscription = try peer.call("Subscribe", [], to: nil)
            try peer.answer(subscription)
            let stop = try peer.call("StopUnit", [.string("a.scope"), .string("replace")], to: nil)
            try peer.answerWithJob(stop, 3)
            try peer.send(BusPeer.jobRemoved(3, "done", of: "a.scope"))
            let reset = try peer.call("ResetFailedUnit", [.string("a.scope")], to: nil)
            try peer.refuse(reset, SystemdManager.busName + ".NoSuchUnit", "Unit a.scope not loaded.")
        }
        let addresses = [
            BusAddress(.path(directory.path("bus"))), BusAddress(.path(directory.path("private")), isBus: false),
        ]
        do {
            var manager = try SystemdManager(addresses)
            #expect(manager.owner == nil)
            try manager.stop("a.scope")
        }
        #expect(thread.join() == nil)
        _ = consume listener
    }

    @Test func whereSystemdIsNowhereEachAddressSaysWhy() throws {
        let directory = try TemporaryDirectory("systemd")
        let listener = try UnixSocket.listen(directory.path("bus"))
        let number = listener.rawValue
        // A bus without systemd on it.
        let thread = ScriptThread {
            var peer = BusPeer(BusSocket(owning: try UnixSocket.accept(number).release()))
            peer.sender = BusPeer.busName
            try peer.welcome()
            let owner = try peer.call("GetNameOwner", to: BusPeer.busName)
            try peer.refuse(owner, "org.freedesktop.DBus.Error.NameHasNoOwner", "nobody has that name")
        }
        let reasons = try #require(
            Self.failures([
                BusAddress(.path(directory.path("bus"))), BusAddress(.path(directory.path("none")), isBus: false),
            ]))
        #expect(thread.join() == nil)
        #expect(reasons.contains("nobody has that name"))
        #expect(reasons.contains(SystemError("connect", directory.path("none"), errno: ENOENT).description))
        #expect(Self.failures([]) == "neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set")
        _ = consume listener
    }

    @Test func whetherSystemdRuns() throws {
        let directory = try TemporaryDirectory("systemd")
        #expect(SystemdManager.isRunning(directory: directory.path))
        #expect(!SystemdManager.isRunning(directory: directory.path("none")))
        #expect(!SystemdManager.isRunning(directory: try directory.write("file", "")))
    }
}
