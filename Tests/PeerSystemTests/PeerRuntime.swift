import Glibc
import LinuxSystem
import TestSupport
import Testing

/// Container engines of other houses that drive an OCI runtime. One at a time: they share two processors.
@Suite(.serialized, .enabled(if: TestEnvironment.isRoot, "container engines need root"))
enum PeerSystemTests {}

/// The OCI runtime that the engines drive.
enum PeerRuntime {
    /// `MARTLET_TEST_RUNTIME`, to hold another runtime against the same tests, or the `martlet-runtime` of this build.
    static let path: String? = {
        if let named = getenv("MARTLET_TEST_RUNTIME") { return String(cString: named) }
        return TestEnvironment.program("martlet-runtime")
    }()

    /// Whether there are a runtime, busybox for the image and all these programs.
    static func canBeDriven(by programs: [String]) -> Bool {
        path != nil && (programs + ["busybox", "tar", "script"]).allSatisfy { TestEnvironment.command($0) != nil }
    }

    static func reason(_ programs: [String]) -> Comment {
        """
        needs busybox, tar, script and \(programs.joined(separator: ", ")) (scripts/setup --tests), \
        and martlet-runtime (scripts/build, or MARTLET_TEST_RUNTIME)
        """
    }
}
