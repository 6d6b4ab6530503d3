import RuntimeProtocol
import Testing

/// Docker's rules for whom USER names (moby/sys/user, GetExecUser).
@Suite struct UserDatabaseTests {
    let database = UserDatabase(
        passwd: """
            # comment
            root:x:0:0:root:/root:/bin/sh
            app:x:1000:1001::/home/app:/bin/sh
            broken
            nohome:x:7:7
            """,
        group: """
            root:x:0:root
            app:x:1001:
            wheel:x:10:root,app
            audio:x:29:app
            """)

    private func resolve(_ name: String, _ groups: [String] = []) throws -> UserDatabase.Identity {
        try database.resolve(UserIdentity(name: name, additionalGroups: groups))
    }

    @Test func emptyIsRootWithItsGroups() throws {
        #expect(try resolve("") == .init(uid: 0, gid: 0, groups: [0, 10], home: "/root"))
    }

    @Test func nameBringsItsGroups() throws {
        #expect(try resolve("app") == .init(uid: 1000, gid: 1001, groups: [1001, 10, 29], home: "/home/app"))
    }

    @Test func numberOfAKnownUserIsThatUser() throws {
        #expect(try resolve("1000") == resolve("app"))
    }

    @Test func unknownNumberHasGroupRootAndNoHome() throws {
        #expect(try resolve("4711") == .init(uid: 4711, gid: 0, groups: [0], home: "/"))
    }

    @Test func explicitGroupReplacesTheOthers() throws {
        #expect(try resolve("app:audio") == .init(uid: 1000, gid: 29, groups: [29], home: "/home/app"))
        #expect(try resolve("4711:4712") == .init(uid: 4711, gid: 4712, groups: [4712], home: "/"))
        #expect(try resolve(":29").gid == 29)
    }

    @Test func moreGroupsByNameAndNumber() throws {
        #expect(try resolve("4711", ["wheel", "99", "wheel"]).groups == [0, 10, 99])
    }

    @Test func unknownNamesAreErrorsInDockersWords() throws {
        #expect(throws: UnknownUser.self) { try resolve("nobody") }
        #expect(throws: UnknownUser.self) { try resolve("app:nogroup") }
        #expect(throws: UnknownUser.self) { try resolve("app", ["nogroup"]) }
        #expect(throws: UnknownUser.self) { try resolve("4294967295") }
        do {
            _ = try resolve("nobody")
        } catch {
            #expect("\(error)" == "unable to find user nobody: no matching entries in passwd file")
        }
    }

    @Test func worksWithoutFiles() throws {
        let empty = UserDatabase(passwd: "", group: "")
        #expect(try empty.resolve(UserIdentity()) == .init(uid: 0, gid: 0, groups: [0], home: "/"))
    }
}
