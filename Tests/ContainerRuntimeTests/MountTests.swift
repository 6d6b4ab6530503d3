import ContainerRuntime
import Glibc
import LinuxSystem
import RuntimeProtocol
import RuntimeSpec
import TestSupport
import Testing

/// Mounts with the options of OCI runtime-spec (config.md: Mounts).
@Suite(.containers) struct MountTests {
    /// What /proc/self/mounts says of the places: their options.
    private static let options = """
        while read source path type options rest; do echo "$path $type,$options"; done </proc/self/mounts
        """

    private func options(_ output: String) -> [String: Set<Substring>] {
        var found: [String: Set<Substring>] = [:]
        for line in output.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2 { found[String(words[0])] = Set(words[1].split(separator: ",")) }
        }
        return found
    }

    @Test func attributesOfMountsAndTheirTrees() async throws {
        try await withContainers("options") { box in
            for name in ["source/inner", "plain"] { try Files.makeDirectories(box.directory.path(name)) }
            let (record, output) = try await box.run("a", Self.options) {
                $0.mounts += [
                    .init(
                        destination: "/tree", type: "bind", source: box.directory.path("source"),
                        options: ["rbind", "rro", "rnosuid", "nodev"]),
                    .init(
                        destination: "/plain", source: box.directory.path("plain"),
                        options: ["bind", "ro", "noexec", "nosymfollow"]),
                    .init(
                        destination: "/memory", type: "tmpfs", source: "tmpfs",
                        options: ["size=64k", "mode=700", "noatime", "nodiratime", "noexec"]),
                    .init(destination: "/dev/shm", options: ["remount", "ro"]),
                ]
            }
            #expect(record.code == 0)
            let found = options(output)
            #expect(found["/tree"]?.isSuperset(of: ["ro", "nosuid", "nodev"]) == true)
            #expect(found["/plain"]?.isSuperset(of: ["ro", "noexec", "nosymfollow"]) == true)
            #expect(
                found["/memory"]?.isSuperset(of: ["tmpfs", "rw", "noatime", "nodiratime", "noexec", "size=64k"]) == true
            )
            #expect(found["/dev/shm"]?.isSuperset(of: ["ro", "nosuid"]) == true, "\(found["/dev/shm"] ?? [])")
            #expect(found["/sys/fs/cgroup"]?.contains("ro") == true && found["/proc"]?.contains("nosuid") == true)
        }
    }

    /// As with runc: an image's /tmp stays what everybody may write to.
    @Test func memoryTakesTheModeOfItsPlace() async throws {
        try await withContainers("mode") { box in
            let (_, output) = try await box.run("a", "stat -c %a /tmp /given") {
                $0.mounts += [
                    .init(destination: "/tmp", type: "tmpfs"),
                    .init(destination: "/given", type: "tmpfs", options: ["mode=750"]),
                ]
            }
            #expect(output == "1777\n750\n")
        }
    }

    @Test func propagation() async throws {
        try await withContainers("propagation") { box in
            try Files.makeDirectories(box.directory.path("shared"))
            let script = "while read a b c d place rest; do echo $place $rest; done </proc/self/mountinfo"
            let (_, output) = try await box.run("a", script) {
                for (name, word) in [("own", "rprivate"), ("slave", "rslave"), ("given", "rshared")] {
                    $0.mounts.append(
                        .init(
                            destination: "/" + name, type: "bind", source: box.directory.path("shared"),
                            options: ["rbind", word]))
                }
            }
            let lines = output.split(separator: "\n")
            #expect(lines.contains { $0.hasPrefix("/given ") && $0.contains(" shared:") })
            #expect(lines.contains { $0.hasPrefix("/own ") && !$0.contains("shared:") && !$0.contains("master:") })
        }
    }

    @Test(
        "Mounts that cannot be made name their place, and leave nothing",
        arguments: [
            ("nosuchfs", "/x", [], "error mounting \"nosuchfs\" to rootfs at \"/x\""),
            ("tmpfs", "/x", ["colour=red"], "error mounting \"tmpfs\" to rootfs at \"/x\""),
            ("", "/absent", ["remount", "ro"], "error mounting \"\" to rootfs at \"/absent\": mounts[7]: remount"),
            ("tmpfs", "/../../x/", ["size=a"], "error mounting \"tmpfs\" to rootfs at \"/../../x/\""),
        ])
    func refusals(type: String, place: String, words: [String], reason: String) async throws {
        try await withContainers("refused") { box in
            var specification = try box.specification("a", ["true"])
            specification.mounts.append(.init(destination: place, type: type, options: words))
            do {
                _ = try await box.runtime.create(specification)
                Issue.record("created")
            } catch let error as RuntimeError {
                #expect(error.reason.hasPrefix(reason), "\(error.reason)")
            }
            #expect(try Files.list(box.directory.path("run/containers")) == [])
        }
    }
}
