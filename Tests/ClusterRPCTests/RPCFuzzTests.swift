import Fuzzing
import GRPCCore
import Testing

@testable import ClusterRPC

/// What peers ask for beside raft and sessions, and how failures travel, broken.
@Suite struct RPCFuzzTests {
    @Test func addresses() {
        let report = Fuzzer("cluster-addresses").run(
            ["10.0.0.1", "10.0.0.1:2377", "[fd00::1]:2377", "fd00::1", "host:2377"].map { Array($0.utf8) }
        ) { input in
            guard let address = ClusterAddress(parsing: String(decoding: input, as: UTF8.self)) else { return .refused }
            return ClusterAddress(parsing: address.description) == address
                ? .taken : .wrong("it is written as \(address)")
        }
        #expect(report.finding == nil)
    }

    @Test func blobRequests() {
        let digest = "sha256:" + String(repeating: "0a", count: 32)
        let examples = ["\(digest) 0", "\(digest) 9223372036854775807"]
        let report = Fuzzer("blob-requests").run(examples.map { Array($0.utf8) }) { input in
            guard let request = BlobRequest(parsing: input) else { return .refused }
            guard let again = BlobRequest(parsing: request.bytes) else { return .wrong("it cannot be read again") }
            return again.digest == request.digest && again.offset == request.offset && request.offset >= 0
                ? .taken : .wrong("it is another one")
        }
        #expect(report.finding == nil)
    }

    /// Whatever stands in the metadata, there is a failure to tell, and it travels on.
    @Test func failures() throws {
        let failure = RPCFailure(.conflict, "update out of sequence", details: ["id": "x"])
        let example = try #require(failure.rpcError.metadata[binaryValues: "martlet-failure-bin"].first { _ in true })
        let report = Fuzzer("rpc-failures").run([example]) { input in
            var metadata = Metadata()
            metadata.addBinary(input, forKey: "martlet-failure-bin")
            let received = RPCFailure(receiving: RPCError(code: .unknown, message: "m", metadata: metadata))
            guard received.source == .handler else { return .refused }
            let again = RPCFailure(receiving: received.rpcError)
            return again.kind == received.kind ? .taken : .wrong("\(received) becomes \(again)")
        }
        #expect(report.finding == nil)
    }
}
