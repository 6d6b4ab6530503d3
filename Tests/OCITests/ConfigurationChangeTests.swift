import EngineModel
import OCI
import Testing

/// Dockerfile reference, and `docker import --change`.
@Suite struct ConfigurationChangeTests {
    static func applying(_ changes: [String]) throws -> ExecutionParameters {
        var parameters = ExecutionParameters()
        for change in changes { try ConfigurationChange.apply(change, to: &parameters) }
        return parameters
    }

    @Test func commands() throws {
        let parameters = try Self.applying([
            #"CMD ["serve", "-p", "80"]"#, "entrypoint exec top -b", "USER 7:8", "STOPSIGNAL SIGINT", "WORKDIR /a",
            "WORKDIR b/../c", "ONBUILD RUN make",
        ])
        #expect(parameters.cmd == ["serve", "-p", "80"])
        #expect(parameters.entrypoint == ["/bin/sh", "-c", "exec top -b"])
        #expect(parameters.user == "7:8" && parameters.stopSignal == "SIGINT" && parameters.workingDir == "/a/c")
        #expect(parameters.onBuild == ["RUN make"])
    }

    @Test func variablesAndLabels() throws {
        let parameters = try Self.applying([
            "ENV PATH=/bin", #"ENV A="a b" B=c\ d C='$A'"#, "ENV PATH=/sbin:$PATH", "ENV D the rest of it",
            "ENV E=${A}-${NONE:-x}-${B:+y}", #"LABEL "com.example"="v 1" other=2"#,
        ])
        #expect(
            parameters.env == ["PATH=/sbin:/bin", "A=a b", "B=c d", "C=$A", "D=the rest of it", "E=a b-x-y"])
        #expect(parameters.labels == ["com.example": "v 1", "other": "2"])
    }

    @Test func portsAndVolumes() throws {
        let parameters = try Self.applying(["EXPOSE 80 53/udp 90-92", "VOLUME /a /b", #"VOLUME ["/c d"]"#])
        #expect(parameters.exposedPorts?.keys.sorted() == ["53/udp", "80/tcp", "90/tcp", "91/tcp", "92/tcp"])
        #expect(parameters.volumes?.keys.sorted() == ["/a", "/b", "/c d"])
    }

    @Test func healthchecks() throws {
        let probe = try Self.applying(["HEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 CMD wget -q x"])
        #expect(
            probe.healthcheck
                == HealthConfiguration(
                    test: ["CMD-SHELL", "wget -q x"], interval: 90_000_000_000, timeout: 500_000_000, retries: 3))
        #expect(try Self.applying([#"HEALTHCHECK CMD ["true"]"#]).healthcheck?.test == ["CMD", "true"])
        #expect(try Self.applying(["HEALTHCHECK NONE"]).healthcheck?.test == ["NONE"])
    }

    @Test(
        "what is refused",
        arguments: [
            ("RUN x", "RUN is not a valid change command"), ("", " is not a valid change command"),
            ("CMD", "CMD requires at least one argument"), ("EXPOSE 0", "invalid containerPort: 0"),
            ("EXPOSE 9-8", "invalid containerPort: 9-8"), ("EXPOSE 80/icmp", "invalid containerPort: 80/icmp"),
            ("USER a b", "USER requires exactly one argument"),
            ("ENV A=b c", "Syntax error - can't find = in \"c\". Must be of the form: name=value"),
            ("ENV A=\"b", "unexpected end of statement while looking for matching quote"),
            ("ENV A", "ENV must have two arguments"), ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
            ("HEALTHCHECK RUN x", "Unknown type \"RUN\" in HEALTHCHECK (try CMD)"),
            ("HEALTHCHECK --interval=1x CMD a", "time: invalid duration \"1x\""),
            ("HEALTHCHECK --interval=1us CMD a", "Interval \"interval\" cannot be less than 1ms"),
        ])
    func refused(change: String, message: String) {
        #expect(throws: OCIError(message)) { try Self.applying([change]) }
    }
}
