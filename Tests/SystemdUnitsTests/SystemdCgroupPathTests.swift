import Testing

@testable import SystemdUnits

/// runc's `slice:prefix:name`; systemd.slice(5), systemd.unit(5).
@Suite struct SystemdCgroupPathTests {
    @Test(arguments: [
        ("-.slice", "/"), ("a.slice", "/a.slice"), ("a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice"),
        ("system.slice", "/system.slice"), ("user-1000.slice", "/user.slice/user-1000.slice"),
    ])
    func aSliceIsAPath(_ slice: String, _ path: String) throws {
        #expect(try SystemdCgroupPath.expand(slice) == path)
    }

    @Test(arguments: [
        "", ".slice", "a", "a.scope", "a/b.slice", "-a.slice", "a-.slice", "a--b.slice", "--.slice", "a b.slice",
        "\u{e4}.slice", "a@b.slice", "../a.slice", String(repeating: "a", count: 250) + ".slice",
    ])
    func whatIsNoSliceIsRefused(_ slice: String) {
        #expect(throws: SystemdError.self) { try SystemdCgroupPath.expand(slice) }
    }

    @Test(
        arguments: [
            ("machine.slice:libpod:web", "libpod-web.scope", "/machine.slice/libpod-web.scope"),
            ("a-b.slice:docker:1", "docker-1.scope", "/a.slice/a-b.slice/docker-1.scope"),
            (":crio:x", "crio-x.scope", "/system.slice/crio-x.scope"),
            ("-.slice:p:n", "p-n.scope", "/p-n.scope"),
            ("a.slice::a-b.slice", "a-b.slice", "/a.slice/a-b.slice"),
            (nil, "martlet-id.scope", "/system.slice/martlet-id.scope"),
            ("", "martlet-id.scope", "/system.slice/martlet-id.scope"),
        ] as [(String?, String, String)])
    func aPathNamesAUnit(_ text: String?, _ unit: String, _ group: String) throws {
        let path = try SystemdCgroupPath(cgroupsPath: text, identifier: "id")
        #expect(path.unit == unit)
        #expect(path.controlGroup == group)
    }

    @Test func aUsersContainersLieInUserSlice() throws {
        let path = try SystemdCgroupPath(cgroupsPath: nil, identifier: "id", scope: .user)
        #expect(path.controlGroup == "/user.slice/martlet-id.scope")
    }

    @Test(arguments: [
        "/docker/web", "a.slice:b", "a.slice:b:", "a:b:c", "a.slice:b:c:d", "a.slice:b:c/d", "a.slice:b:c+",
    ])
    func otherPathsAreRefused(_ text: String) {
        #expect(throws: SystemdError.self) { try SystemdCgroupPath(cgroupsPath: text, identifier: "id") }
    }

    @Test func addresses() throws {
        #expect(
            try BusAddress.parse("tcp:host=x;unix:path=/run/a%20b,guid=1;unix:abstract=n")
                == [BusAddress(.path("/run/a b")), BusAddress(.abstract("n"))])
        for text in ["", "unix:", "unix:path", "unix:path=%2", "unix:path=%zz", "unix:path=%00", "tcp:host=x"] {
            #expect(throws: SystemdError.self) { try BusAddress.parse(text) }
        }
        #expect(
            try BusAddress.candidates(.system, isRoot: true) { _ in nil } == [
                BusAddress(.path("/run/dbus/system_bus_socket")),
                BusAddress(.path("/run/systemd/private"), isBus: false),
            ])
        #expect(
            try BusAddress.candidates(.user, isRoot: false) { $0 == "XDG_RUNTIME_DIR" ? "/run/user/7" : nil } == [
                BusAddress(.path("/run/user/7/bus")), BusAddress(.path("/run/user/7/systemd/private"), isBus: false),
            ])
    }
}
