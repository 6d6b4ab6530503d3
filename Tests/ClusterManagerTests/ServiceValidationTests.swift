import ClusterModel
import EngineModel
import JSON
import Testing
import Values

@testable import ClusterManager

/// What a service's specification may not be, with the words and the status that Docker gives.
@Suite struct ServiceValidationTests {
    private static let state: ClusterState = {
        var state = ClusterState()
        let network = NetworkObject(
            id: "abcdef", createdAt: .epoch, spec: .init(name: "web"), subnet: CIDR("10.0.1.0/24")!,
            gateway: IPAddress("10.0.1.1")!, vni: 4097)
        let ingress = NetworkObject(
            id: "xyz", createdAt: .epoch, spec: .init(name: "ingress", isIngress: true), subnet: CIDR("10.192.0.0/10")!,
            gateway: IPAddress("10.192.0.1")!, vni: 4096)
        let mutations: [Mutation] = [.putNetwork(network, expected: 0), .putNetwork(ingress, expected: 0)]
        _ = try? state.apply(Transaction(time: .epoch, mutations: mutations), at: 1)
        return state
    }()

    private static let valid = """
        {"Name":"web","Future":{"Kept":true},"TaskTemplate":{"ContainerSpec":{"Image":"x"},"Networks":[{"Target":"web"}]}}
        """

    private func check(_ text: String) throws -> (spec: ServiceSpec, document: JSONValue) {
        try ServiceValidation(state: Self.state).specification(from: JSONValue(parsing: text))
    }

    @Test("Names of networks become identifiers; fields that nobody knows survive")
    func valid() throws {
        let (spec, document) = try check(Self.valid)
        #expect(spec.allNetworks.map(\.target) == ["abcdef"])
        #expect(document["Future"]?["Kept"] == true)
        #expect(document["TaskTemplate"]?["Networks"]?[0]?["Target"] == "abcdef")
    }

    @Test("What is not there is refused; what clients send of everything is not")
    func missing() throws {
        func service(_ container: String, _ resources: String = "{}") -> String {
            #"{"Name":"a","TaskTemplate":{"ContainerSpec":{"Image":"x",\#(container)},"Resources":\#(resources)}}"#
        }
        for container in [
            #""Privileges":null"#,
            #""Privileges":{"CredentialSpec":null,"SELinuxContext":null,"NoNewPrivileges":false}"#,
            #""Secrets":[]"#, #""Configs":null"#, #""Healthcheck":{"StartInterval":1000000}"#,
        ] {
            _ = try check(service(container, #"{"Reservations":{"GenericResources":[]}}"#))
        }
        for (container, resources, status, message) in [
            (#""Privileges":{"NoNewPrivileges":true}"#, "{}", 501, "privileges of services"),
            (#""Privileges":{"Seccomp":{"Mode":"unconfined"}}"#, "{}", 501, "not supported by this version"),
            (#""Secrets":[{"SecretID":"a"}]"#, "{}", 501, "secrets are not supported"),
            (#""Healthcheck":{"StartInterval":5}"#, "{}", 400, "start interval in Healthcheck cannot be less than 1ms"),
            (
                #""Tty":false"#,
                #"{"Reservations":{"GenericResources":[{"DiscreteResourceSpec":{"Kind":"GPU","Value":1}}]}}"#, 501,
                "generic resources are not supported"
            ),
        ] {
            let error = #expect(throws: EngineError.self) { try check(service(container, resources)) }
            #expect(error?.kind.status == status)
            #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
        }
    }

    @Test(arguments: [
        (#"{"Name":"-bad","TaskTemplate":{"ContainerSpec":{"Image":"x"}}}"#, "name must be 64 characters or fewer"),
        (#"{"Name":"a"}"#, "ContainerSpec: missing"),
        (#"{"Name":"a","TaskTemplate":{"ContainerSpec":{}}}"#, "image reference must be provided"),
        (#"{"Name":"a","TaskTemplate":{"ContainerSpec":{"Image":7}}}"#, "TaskTemplate.ContainerSpec.Image"),
        (
            #"{"Name":"a","TaskTemplate":{"ContainerSpec":{"Image":"x"},"Placement":{"Constraints":["node.id"]}}}"#,
            "constraint expected one operator from ==, !="
        ),
        (
            #"{"Name":"a","TaskTemplate":{"ContainerSpec":{"Image":"x"},"Networks":[{"Target":"none such"}]}}"#,
            "network none such not found"
        ),
        (
            #"{"Name":"a","TaskTemplate":{"ContainerSpec":{"Image":"x"},"Networks":[{"Target":"bridge"}]}}"#,
            "Only networks scoped to the swarm can be used"
        ),
        (
            #"{"Name":"a","TaskTemplate":{"ContainerSpec":{"Image":"x"},"Networks":[{"Target":"ingress"}]}}"#,
            "cannot be explicitly attached to the ingress network"
        ),
        (
            #"{"Name":"a","TaskTemplate":{"ContainerSpec":{"Image":"x"}},"UpdateConfig":{"Order":"sideways"}}"#,
            "unrecognized update order sideways"
        ),
        (
            #"{"Name":"a","TaskTemplate":{"ContainerSpec":{"Image":"x"}},"EndpointSpec":{"Mode":"dnsrr","Ports":"#
                + #"[{"TargetPort":80,"PublishedPort":80}]}}"#, "can't be used with dnsrr mode"
        ),
        (
            #"{"Name":"a","TaskTemplate":{"ContainerSpec":{"Image":"x","Mounts":[{"Type":"bind","Source":"rel","#
                + #""Target":"/x"}]}}}"#, "must be an absolute path: rel"
        ),
    ])
    func refused(text: String, reason: String) {
        do {
            _ = try check(text)
            Issue.record("accepted: \(text)")
        } catch let error as EngineError {
            #expect(error.message.contains(reason), "\(error.message)")
            #expect([400, 403, 404].contains(error.kind.status))
        } catch {
            Issue.record("\(error)")
        }
    }

    @Test func addressesToAdvertise() throws {
        let given = try HostAddresses.advertised("192.0.2.7:4000", listen: "", defaultPort: 2377)
        #expect(given.address == "192.0.2.7" && given.port == 4000)
        let listening = try HostAddresses.advertised("192.0.2.7", listen: "0.0.0.0:5000", defaultPort: 2377)
        #expect(listening.port == 5000)
        #expect(throws: EngineError.self) { try HostAddresses.advertised("nosuchlink", listen: "", defaultPort: 2377) }
        #expect(throws: EngineError.self) { try HostAddresses.advertised("", listen: "0.0.0.0:0", defaultPort: 2377) }
    }
}
