import EngineModel
import JSON
import Testing
import Values

@Suite struct CreationTests {
    private func image() -> ImageDefaults {
        var image = ImageDefaults()
        image.user = "app"
        image.env = ["PATH=/app/bin", "MODE=image"]
        image.entrypoint = ["/entry"]
        image.cmd = ["serve", "--all"]
        image.workingDir = "/srv"
        image.exposedPorts = ["80/tcp"]
        image.volumes = ["/data"]
        image.labels = ["a": "image", "b": "image"]
        image.stopSignal = "SIGQUIT"
        image.healthcheck = HealthConfiguration(test: ["CMD", "/probe"], interval: 5, retries: 7)
        return image
    }

    @Test("Docker: what a client leaves open comes from the image")
    func inheritsAll() {
        var configuration = ContainerConfiguration()
        configuration.inherit(image())
        #expect(configuration.user == "app")
        #expect(configuration.entrypoint == ["/entry"])
        #expect(configuration.cmd == ["serve", "--all"])
        #expect(configuration.workingDir == "/srv")
        #expect(configuration.exposedPorts?.keys.sorted() == ["80/tcp"])
        #expect(configuration.volumes?.keys.sorted() == ["/data"])
        #expect(configuration.stopSignal == "SIGQUIT")
        #expect(configuration.healthcheck?.retries == 7)
    }

    @Test("Docker: the client's values win, an entrypoint drops the image's command")
    func clientWins() {
        var configuration = ContainerConfiguration()
        configuration.entrypoint = ["/other"]
        configuration.env = ["MODE=client"]
        configuration.labels = ["a": "client"]
        configuration.healthcheck = HealthConfiguration(test: [], interval: 9)
        configuration.inherit(image())
        #expect(configuration.entrypoint == ["/other"])
        #expect(configuration.cmd == nil)
        #expect(configuration.env == ["MODE=client", "PATH=/app/bin"])
        #expect(configuration.labels == ["a": "client", "b": "image"])
        #expect(configuration.healthcheck?.interval == 9)
        #expect(configuration.healthcheck?.test == ["CMD", "/probe"])
    }

    @Test("Docker: --entrypoint \"\" takes the entrypoint away, a command alone keeps it")
    func emptyEntrypoint() {
        var configuration = ContainerConfiguration()
        configuration.entrypoint = [""]
        configuration.cmd = ["true"]
        configuration.inherit(image())
        #expect(configuration.entrypoint == nil)
        #expect(configuration.cmd == ["true"])
        var other = ContainerConfiguration()
        other.cmd = ["true"]
        other.inherit(image())
        #expect(other.entrypoint == ["/entry"])
        #expect(other.cmd == ["true"])
    }

    @Test func environment() {
        var configuration = ContainerConfiguration()
        configuration.env = ["PATH=/bin", "A=b=c", "HOSTNAME"]
        configuration.tty = true
        #expect(configuration.environment(hostname: "h") == ["PATH=/bin", "TERM=xterm", "A=b=c"])
    }

    @Test func portWishes() throws {
        let bindings: [String: [PortBinding]?] = [
            "80": [PortBinding(hostIp: "", hostPort: "8080"), PortBinding(hostIp: "127.0.0.1", hostPort: "")],
            "53/udp": [PortBinding(hostIp: "0.0.0.0", hostPort: "5300-5302")], "81/tcp": nil,
        ]
        let wishes = try PortWish.wishes(bindings, exposed: ["80/tcp", "90/tcp"], publishesAll: true)
        #expect(
            wishes == [
                PortWish(container: PortKey("53/udp")!, hostAddress: nil, hostPorts: 5300...5302),
                PortWish(container: PortKey("80/tcp")!, hostAddress: nil, hostPorts: 8080...8080),
                PortWish(container: PortKey("80/tcp")!, hostAddress: .v4Loopback, hostPorts: nil),
                PortWish(container: PortKey("90/tcp")!, hostAddress: nil, hostPorts: nil),
            ])
        for text in ["x", "70000", "9-8", "1-2-3", "-5"] {
            #expect(throws: EngineError.self) { try PortWish.wishes(["80/tcp": [PortBinding(hostPort: text)]]) }
        }
        #expect(throws: EngineError.self) { try PortWish.wishes(["http": [PortBinding()]]) }
        #expect(throws: EngineError.self) { try PortWish.wishes(["80": [PortBinding(hostIp: "host")]]) }
    }

    @Test func binds() throws {
        let bind = try BindSpecification(parsing: "/a/../b:/c/:ro,rslave")
        #expect(bind.isHostPath)
        #expect(bind.target == "/c")
        #expect(bind.isReadOnly)
        #expect(bind.propagation == "rslave")
        let volume = try BindSpecification(parsing: "data:/d:nocopy")
        #expect(!volume.isHostPath && volume.noCopy && volume.source == "data")
        #expect(try BindSpecification(parsing: "/only").source == nil)
        for text in ["", "a:b", "a:/", ":/x", "a:/x:odd", "a:/x:ro:y"] {
            #expect(throws: EngineError.self, "\(text)") { try BindSpecification(parsing: text) }
        }
        #expect(PathText.clean("/a/./b//../c/") == "/a/c")
        #expect(PathText.clean("/../..") == "/")
    }

    @Test func signals() throws {
        #expect(try Signals.parse("TERM") == 15)
        #expect(try Signals.parse("sigkill") == 9)
        #expect(try Signals.parse("12") == 12)
        #expect(try Signals.parse("RTMIN+3") == 37)
        #expect(try Signals.parse("SIGRTMAX-1") == 63)
        for text in ["", "0", "65", "SIGNO", "RTMIN-1"] {
            #expect(throws: EngineError.self) { try Signals.parse(text) }
        }
    }

    @Test func lookups() {
        let names = ["web": "abc1", "abd": "ffff"]
        let identifiers = ["abc1", "abd2", "ffff"]
        func find(_ text: String) -> ObjectLookup {
            ObjectLookup.find(text, names: names, identifiers: identifiers, contains: identifiers.contains)
        }
        #expect(find("/web") == .found("abc1"))
        #expect(find("abc") == .found("abc1"))
        #expect(find("abd") == .found("ffff"))
        #expect(find("ab") == .ambiguous)
        #expect(find("x") == .none)
        #expect(find("") == .none)
    }

    @Test func quickEndsDoubleTheDelay() {
        var state = ContainerState()
        state.restartCount = 30
        let always = RestartPolicy(name: .always)
        #expect(
            RestartDecision.decide(policy: always, state: state, quickEnds: 1)
                == .restart(afterNanoseconds: 200_000_000))
        #expect(
            RestartDecision.decide(policy: always, state: state, quickEnds: 0)
                == .restart(afterNanoseconds: 100_000_000))
    }
}
