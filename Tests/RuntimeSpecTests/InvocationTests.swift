import RuntimeSpec
import Testing

/// Command lines as runc's callers write them.
@Suite struct InvocationTests {
    private func parse(_ line: String) throws -> RuntimeInvocation {
        try RuntimeInvocation(parsing: line.split(separator: " ").map(String.init)[...])
    }

    /// containerd's shim.
    @Test func createAsContainerdDoes() throws {
        let invocation = try parse(
            "--root /run/r --log /b/log.json --log-format json --systemd-cgroup create --bundle /b "
                + "--pid-file /b/init.pid --console-socket /s --no-pivot=true --preserve-fds 2 web.1")
        #expect(invocation.settings.root == "/run/r" && invocation.settings.usesSystemd)
        #expect(invocation.settings.log == "/b/log.json" && invocation.settings.logFormat == .json)
        guard case .create(let id, let options) = invocation.command else {
            Issue.record("\(invocation.command)")
            return
        }
        #expect(id == "web.1" && options.bundle == "/b" && options.pidFile == "/b/init.pid")
        #expect(options.consoleSocket == "/s" && !options.usesPivotRoot && options.preservedDescriptors == 2)
        #expect(options.makesKeyring)
    }

    @Test func killTakesASignalOrNot() throws {
        #expect(try parse("kill --all c 9").command == .kill(id: "c", signal: "9", all: true))
        #expect(try parse("kill c KILL").command == .kill(id: "c", signal: "KILL", all: false))
        #expect(try parse("kill c").command == .kill(id: "c", signal: "SIGTERM", all: false))
    }

    @Test("Words after the id belong to the container's command")
    func exec() throws {
        guard
            case .exec(let id, let options) = try parse(
                "exec -d --tty -u 5:6 -g 7 -g 8 -e A=b --cwd /x -c CAP_KILL --pid-file=/p c ls -l --all"
            ).command
        else {
            Issue.record("no exec")
            return
        }
        #expect(id == "c" && options.arguments == ["ls", "-l", "--all"])
        #expect(options.isDetached && options.hasTerminal && options.pidFile == "/p")
        #expect(options.user?.uid == 5 && options.user?.gid == 6 && options.additionalGroups == [7, 8])
        #expect(options.environment == ["A=b"] && options.workingDirectory == "/x")
        #expect(options.capabilities == ["CAP_KILL"])
        guard case .exec(_, let file) = try parse("exec --process /p.json -d c").command else { return }
        #expect(file.processFile == "/p.json" && file.arguments.isEmpty)
    }

    @Test func update() throws {
        guard case .update(_, let options) = try parse("update --memory 64m --memory-swap -1 --cpu-share 5 c").command
        else {
            Issue.record("no update")
            return
        }
        #expect(options.resources.memory?.limit == 64 << 20 && options.resources.memory?.swap == -1)
        #expect(options.resources.cpu?.shares == 5 && options.resources.pids == nil && options.file == nil)
        guard case .update(_, let given) = try parse("update --resources - c").command else { return }
        #expect(given.file == "-")
    }

    @Test func theOthers() throws {
        #expect(try parse("start c").command == .start(id: "c"))
        #expect(try parse("delete --force c").command == .delete(id: "c", force: true))
        #expect(try parse("list -q").command == .list(format: .table, isQuiet: true))
        #expect(
            try parse("ps --format json c -ef").command == .processes(id: "c", format: .json, arguments: ["-ef"]))
        #expect(
            try parse("events --interval 2m c").command
                == .events(id: "c", intervalMilliseconds: 120_000, once: false))
        #expect(
            try parse("events c --interval 100ms").command
                == .events(id: "c", intervalMilliseconds: 100, once: false))
        #expect(try parse("events --stats c").command == .events(id: "c", intervalMilliseconds: 5000, once: true))
        #expect(try parse("spec --rootless").command == .specification(bundle: ".", isRootless: true))
        #expect(try parse("--rootless=true features").settings.isRootless == true)
        #expect(try parse("--version").command == .version)
    }

    @Test(arguments: [
        ("", "no command given"), ("fly c", "unknown command \"fly\""), ("create", "create takes an id"),
        ("create a b", "create takes one id"), ("create --speed c", "flag provided but not defined: --speed"),
        ("create --bundle", "flag needs an argument: --bundle"), ("state a/b", "invalid id format: \"a/b\""),
        ("state ..", "invalid id format"), ("exec c", "exec takes an id and a command"),
        ("exec -u me c ls", "invalid user \"me\""), ("update --memory 5x c", "invalid value \"5x\" for flag --memory"),
        ("update --pids-limit many c", "invalid value \"many\""), ("--log-format xml list", "invalid log format"),
        ("--rootless maybe list", "invalid value \"maybe\""), ("list --format yaml", "invalid format option"),
        ("events --interval soon c", "invalid value \"soon\""), ("kill --all=perhaps c", "invalid boolean value"),
        ("create --preserve-fds 2000 c", "--preserve-fds"),
    ])
    func refusals(line: String, reason: String) {
        let error = #expect(throws: InvocationError.self) { try parse(line) }
        #expect(error?.description.hasPrefix(reason) == true, "\(error?.description ?? "")")
    }
}
