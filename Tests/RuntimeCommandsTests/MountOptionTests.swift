import JSON
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// config.md: Linux mount options.
@Suite(.bundles) struct MountOptionTests {
    /// The table of the specification, without what says where a mount comes from.
    private static let options = [
        "async", "atime", "defaults", "dev", "diratime", "dirsync", "exec", "iversion", "lazytime", "loud", "mand",
        "noatime", "nodev", "nodiratime", "noexec", "noiversion", "nolazytime", "nomand", "norelatime",
        "nostrictatime", "nosuid", "nosymfollow", "private", "ratime", "rdev", "rdiratime", "relatime", "rexec",
        "rnoatime", "rnodev", "rnodiratime", "rnoexec", "rnorelatime", "rnostrictatime", "rnosuid", "rnosymfollow",
        "ro", "rprivate", "rrelatime", "rro", "rrw", "rshared", "rslave", "rstrictatime", "rsuid", "rsymfollow",
        "runbindable", "rw", "shared", "silent", "slave", "strictatime", "suid", "symfollow", "sync", "tmpcopyup",
        "unbindable",
    ]

    @Test func `a file system takes every option of the specification, and features names it`() async throws {
        try await withBundles("options") { fixture in
            let places = Self.options.map { "/data/" + $0 }
            let result = try await fixture.run("c", "cut -d ' ' -f 5 /proc/self/mountinfo") {
                $0.mount("tmpfs", "/data", [], type: "tmpfs")
                for (option, place) in zip(Self.options, places) { $0.mount("tmpfs", place, [option], type: "tmpfs") }
            }
            #expect(Set(result.lines).isSuperset(of: places), "\(result)")
            let features = try await fixture.succeed("features").json()
            let named = Set(features["mountOptions"]?.array?.compactMap(\.string) ?? [])
            let sources: Set = ["bind", "rbind", "remount", "idmap", "ridmap"]
            #expect(named == sources.union(Self.options), "\(named.symmetricDifference(sources.union(Self.options)))")
        }
    }
}
