import RuntimeSpec
import TestSupport
import Testing

/// `exec --user` and `--additional-gids` change what they name of the container's user, as with runc.
@Suite(.bundles) struct ExecUserTests {
    private static let script = "id -u; id -g; id -G; umask"

    @Test(arguments: [
        (["--user", "1000"], ["1000", "5", "5 20 21", "0077"]),
        (["--user", "1000:1001"], ["1000", "1001", "1001 20 21", "0077"]),
        (["--additional-gids", "7"], ["3", "5", "5 7 20 21", "0077"]),
        (["--user", "8", "-g", "7", "-g", "9"], ["8", "5", "5 7 9 20 21", "0077"]),
    ])
    func `the rest of the user stays`(flags: [String], lines: [String]) async throws {
        try await withBundles("execuser") { fixture in
            try await fixture.launch("c") {
                var user = ProcessConfiguration.User(uid: 3, gid: 5)
                user.additionalGids = [20, 21]
                user.umask = 0o077
                $0.process?.user = user
            }
            let result = try await fixture.exec("c", Self.script, flags: flags)
            #expect(result.lines == lines, "\(result)")
        }
    }

    @Test func `groups come to a user that the configuration leaves out`() async throws {
        try await withBundles("execnouser") { fixture in
            try await fixture.launch("c") { $0.process?.user = nil }
            let result = try await fixture.exec("c", Self.script, flags: ["--additional-gids", "7"])
            #expect(result.lines == ["0", "0", "0 7", "0022"], "\(result)")
        }
    }
}
