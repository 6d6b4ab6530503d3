import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// config.md: apparmorProfile, selinuxLabel. What the kernel has is not asked of the container's own files.
@Suite(.bundles) struct SecurityLabelTests {
    private static let hasAppArmor = (try? Files.text("/proc/self/attr/apparmor/current")) != nil
    private static let hasSELinux = (try? Files.text("/proc/filesystems"))?.contains("selinuxfs") == true

    /// A container whose image says that the kernel has everything.
    private static func create(
        _ fixture: BundleFixture, _ change: (inout ProcessConfiguration) -> Void
    ) async throws -> CommandResult {
        let bundle = try fixture.prepare("c", "true") {
            $0.mounts?.removeAll { $0.type == "sysfs" }
            change(&$0.process!)
        }
        for (path, text) in [
            ("/sys/kernel/security/lsm", "apparmor,selinux"), ("/sys/module/apparmor/parameters/enabled", "Y"),
            ("/sys/fs/selinux/enforce", "1"),
        ] {
            try Files.makeDirectories(Files.parent(of: fixture.inRoot("c", path)))
            try Files.write(fixture.inRoot("c", path), text)
        }
        return try await fixture.command("run", "--bundle", bundle, "c")
    }

    private static func expectRefusal(
        _ reason: String, _ change: (inout ProcessConfiguration) -> Void
    ) async throws {
        try await withBundles("nolabel") { fixture in
            let result = try await create(fixture, change)
            #expect(result.code == 1 && result.errors.contains(reason), "\(result)")
            try await fixture.expectNothingLeft("c")
        }
    }

    @Test(.enabled(if: !hasAppArmor, "this kernel has AppArmor"))
    func `without AppArmor a profile is refused for that reason`() async throws {
        try await Self.expectRefusal("this kernel has no AppArmor") { $0.apparmorProfile = "unconfined" }
    }

    @Test(.enabled(if: !hasSELinux, "this kernel has SELinux"))
    func `without SELinux a label is refused for that reason`() async throws {
        try await Self.expectRefusal("this kernel has no SELinux") {
            $0.selinuxLabel = "system_u:system_r:container_t:s0"
        }
    }

    @Test(.enabled(if: hasAppArmor, "this kernel has no AppArmor"))
    func `a profile is taken on without a sysfs in the container, and one that is not loaded is refused`() async throws
    {
        try await withBundles("apparmor") { fixture in
            let taken = try await fixture.run("c", "cat /proc/self/attr/apparmor/current") {
                $0.mounts?.removeAll { $0.type == "sysfs" }
                $0.process?.apparmorProfile = "unconfined"
            }
            #expect(taken.line == "unconfined", "\(taken)")
            let refused = try await fixture.run("d", "true") { $0.process?.apparmorProfile = "no-such-profile" }
            #expect(refused.code == 1)
            #expect(refused.errors.contains("\"no-such-profile\" is refused"), "\(refused)")
        }
    }
}
