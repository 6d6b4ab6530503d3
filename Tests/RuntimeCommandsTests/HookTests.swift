import JSON
import LinuxSystem
import RuntimeSpec
import TestSupport
import Testing

/// config.md: POSIX-platform Hooks; runtime.md: Lifecycle.
@Suite(.bundles) struct HookTests {
    private static let names = [
        "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
    ]

    /// A hook that writes what it sees into `directory`.
    private static func recorder(_ name: String, in directory: String, _ more: String = "") -> RuntimeConfiguration.Hook
    {
        let script = """
            PATH=/usr/bin:/bin; cat > \(directory)/\(name).json; readlink /proc/self/ns/mnt > \(directory)/\(name).ns
            echo "$KEY $0 $1" > \(directory)/\(name).words; echo \(name) >> \(directory)/order; \(more)
            """
        var hook = RuntimeConfiguration.Hook(path: "/bin/sh", args: ["sh", "-c", script, "zero", "one"])
        hook.env = ["KEY=value"]
        return hook
    }

    private static func set(
        _ hooks: inout RuntimeConfiguration.Hooks, _ name: String, _ hook: RuntimeConfiguration.Hook
    ) {
        switch name {
        case "prestart": hooks.prestart = [hook]
        case "createRuntime": hooks.createRuntime = [hook]
        case "createContainer": hooks.createContainer = [hook]
        case "startContainer": hooks.startContainer = [hook]
        case "poststart": hooks.poststart = [hook]
        default: hooks.poststop = [hook]
        }
    }

    @Test func `all six, in their order and namespaces, with the state (config.md: Summary)`() async throws {
        try await withBundles("hooks") { fixture in
            let seen = fixture.directory.path("hooks")
            try Files.makeDirectories(seen)
            let pid = try await fixture.launch("c") { configuration in
                var hooks = RuntimeConfiguration.Hooks()
                for name in Self.names {
                    let directory = name == "startContainer" ? "/data" : seen
                    Self.set(&hooks, name, Self.recorder(name, in: directory))
                }
                configuration.hooks = hooks
                configuration.annotations = ["key": "value"]
                configuration.mount(seen, "/data", ["bind", "rw"])
            }
            let container = try #require(linkTarget("/proc/\(pid)/ns/mnt"))
            let host = try #require(linkTarget("/proc/self/ns/mnt"))
            try await fixture.stop("c")
            try await fixture.succeed("delete", "c")
            #expect(try Files.text(seen + "/order").split(separator: "\n").map(String.init) == Self.names)
            let statuses = [
                "prestart": "created", "createRuntime": "creating", "createContainer": "creating",
                "startContainer": "created", "poststart": "running", "poststop": "stopped",
            ]
            for name in Self.names {
                let state = try JSONValue(parsing: Files.read("\(seen)/\(name).json"))
                #expect(state["status"]?.string == statuses[name], "\(name)")
                #expect(state["id"] == "c")
                #expect(state["bundle"]?.string == fixture.bundle("c"))
                #expect(state["annotations"]?["key"] == "value")
                if !["startContainer", "poststop", "createContainer"].contains(name) {
                    #expect(state["pid"]?.integer == Int64(pid), "\(name)")
                }
                let isInside = name == "createContainer" || name == "startContainer"
                let namespace = try Files.text("\(seen)/\(name).ns")
                #expect(namespace == (isInside ? container : host) + "\n", "\(name)")
                #expect(try Files.text("\(seen)/\(name).words") == "value zero one\n")
            }
        }
    }

    @Test(arguments: ["prestart", "createRuntime", "createContainer", "startContainer"])
    func `a hook that fails ends the creation and undoes it (runtime.md: Lifecycle)`(name: String) async throws {
        try await withBundles("failing") { fixture in
            let result = try await fixture.run("c", "touch /data/started") { configuration in
                var hooks = RuntimeConfiguration.Hooks()
                Self.set(&hooks, name, .init(path: "/bin/sh", args: ["sh", "-c", "exit 7"]))
                configuration.hooks = hooks
            }
            #expect(result.code != 0)
            #expect(result.errors.contains("hook"), "\(result)")
            #expect(!Files.exists(fixture.inRoot("c", "/data/started")))
            try await fixture.expectNothingLeft("c")
        }
    }

    @Test(arguments: ["poststart", "poststop"])
    func `a hook after the fact that fails is a warning (runtime.md: Lifecycle)`(name: String) async throws {
        try await withBundles("warning") { fixture in
            try await fixture.launch("c") { configuration in
                var hooks = RuntimeConfiguration.Hooks()
                Self.set(&hooks, name, .init(path: "/bin/sh", args: ["sh", "-c", "exit 7"]))
                configuration.hooks = hooks
            }
            let status = try await fixture.state("c")["status"]
            #expect(status == "running")
            try await fixture.stop("c")
            try await fixture.succeed("delete", "c")
            try await fixture.expectNothingLeft("c")
        }
    }

    @Test func `a hook's timeout ends it (config.md: timeout)`() async throws {
        try await withBundles("timeout") { fixture in
            // It is waited for only for its timeout, or this fails by the limit.
            let bundle = try fixture.prepare("c", "true") { configuration in
                var hook = RuntimeConfiguration.Hook(path: "/bin/sleep", args: ["sleep", "600"])
                hook.timeout = 1
                var hooks = RuntimeConfiguration.Hooks()
                hooks.createRuntime = [hook]
                configuration.hooks = hooks
            }
            let result = try await fixture.runtime(["run", "--bundle", bundle, "c"], within: .seconds(60))
            #expect(result.code == 1 && result.errors.contains("took longer than 1 s"), "\(result)")
        }
    }
}
