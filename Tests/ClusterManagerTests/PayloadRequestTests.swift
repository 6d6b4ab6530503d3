import ClusterModel
import EngineModel
import JSON
import Testing

@testable import ClusterManager

/// What a config and a secret may be, with the words that Docker gives.
@Suite struct PayloadRequestTests {
    private func request(_ text: String) throws -> PayloadRequest {
        try JSONCoding.docker.decode(PayloadRequest.self, from: Array(text.utf8))
    }

    @Test func whatClientsSend() throws {
        // docker-py and the docker CLI send nothing where something is not wanted.
        let small = try request(#"{"Name":"a","Labels":null,"Data":"YQ=="}"#)
        #expect(try small.spec() == PayloadSpec(name: "a"))
        #expect(try small.bytes(.config, limit: 10) == [0x61])
        let large = try request(
            #"{"Name":"a","Labels":{"x":"y"},"Data":"YQ==","Templating":{"Name":"golang"},"Driver":null,"Future":1}"#)
        #expect(
            try large.spec() == PayloadSpec(name: "a", labels: ["x": "y"], templating: ["Name": "golang"]))
    }

    @Test(arguments: ["a", "Z9", "a.b-c_d", "0", String(repeating: "x", count: 64)])
    func goodNames(name: String) { #expect(PayloadRequest.isValidName(name)) }

    @Test(arguments: ["", ".a", "a-", "_", "a b", "a/b", "ä", "a\n", String(repeating: "x", count: 65)])
    func badNames(name: String) { #expect(!PayloadRequest.isValidName(name)) }

    @Test func refused() throws {
        func refusal(_ text: String) throws -> EngineError? {
            let request = try request(text)
            do {
                _ = try request.spec()
                _ = try request.bytes(.secret, limit: 4)
                return nil
            } catch {
                return error
            }
        }
        let prefix = "rpc error: code = InvalidArgument desc = "
        let size = prefix + "secret data must be larger than 0 and less than 4 bytes"
        let name =
            prefix
            + "invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be "
            + "[a-zA-Z0-9]"
        for (text, status, message) in [
            (#"{"Data":"YQ=="}"#, 400, prefix + "name must be provided"), (#"{"Name":"a b","Data":"YQ=="}"#, 400, name),
            (#"{"Name":"a"}"#, 400, size), (#"{"Name":"a","Data":"YWFhYQ=="}"#, 400, size),
            (#"{"Name":"a","Data":"?"}"#, 400, "invalid JSON: Data is no base64 text"),
            (#"{"Name":"a","Driver":{"Name":"vault"}}"#, 501, "secret drivers are not supported by this version"),
        ] {
            let error = try refusal(text)
            #expect(error?.kind.status == status && error?.message == message, "\(text): \(error?.message ?? "taken")")
        }
        #expect(try refusal(#"{"Name":"a","Data":"YWFh"}"#) == nil, "one byte less than the limit")
    }

    @Test func labelsAloneMayChange() throws {
        let spec = PayloadSpec(name: "a", labels: ["x": "y"])
        try request(#"{"Name":"a","Labels":{}}"#).requireUnchanged(spec) { fatalError("nothing to compare") }
        try request(#"{"Name":"a","Data":"YQ=="}"#).requireUnchanged(spec) { [0x61] }
        for text in [#"{"Name":"b","Data":"YQ=="}"#, #"{"Name":"a","Data":"Yg=="}"#, #"{}"#] {
            let error = #expect(throws: EngineError.self) {
                try request(text).requireUnchanged(spec) { [0x61] }
            }
            #expect(error?.message == "rpc error: code = InvalidArgument desc = only updates to Labels are allowed")
        }
    }
}
