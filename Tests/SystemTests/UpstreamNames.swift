import Lab
import TestSupport
import Testing

/// A name server on a lab's underlay, where the hosts' /etc/resolv.conf points: it knows `upstream.example`, which is
/// 10.9.8.7, and nothing else.
enum UpstreamNames {
    static let isPossible = TestEnvironment.command("python3") != nil

    private static let program = """
        import socket, struct, sys
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); server.bind((sys.argv[1], 53))
        while True:
            query, client = server.recvfrom(512)
            end = query.index(0, 12) + 1
            known = query[12:end].lower() == bytes([8]) + b'upstream' + bytes([7]) + b'example' + bytes([0])
            isAddress = query[end:end + 2] == bytes([0, 1])
            answer = struct.pack('>HHHIH', 0xc00c, 1, 1, 60, 4) + bytes([10, 9, 8, 7]) if known and isAddress else b''
            head = struct.pack('>HHHHH', 0x8180 if known else 0x8183, 1, 1 if answer else 0, 0, 0)
            server.sendto(query[:2] + head + query[12:end + 4] + answer, client)
        """

    /// Serves until the lab is down.
    static func serve(_ lab: RunningLab) async throws {
        let address = "\(try lab.underlayAddresses().v4)"
        let started = try await lab.exec(
            on: RunningLab.underlayName,
            ["sh", "-c", "python3 -c \"$0\" \(address) >/dev/null 2>&1 </dev/null &", program])
        try #require(started.code == 0)
        try await waitUntil("the name server answers") {
            let asked = try await lab.exec(
                on: RunningLab.underlayName, ["busybox", "nslookup", "upstream.example", address])
            return String(decoding: asked.output, as: UTF8.self).contains("10.9.8.7")
        }
    }
}
