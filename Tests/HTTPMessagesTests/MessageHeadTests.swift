import HTTPMessages
import Testing

@Suite struct MessageHeadTests {
    private func queue(_ text: String) -> ByteQueue {
        var queue = ByteQueue()
        queue.append(Array(text.utf8))
        return queue
    }

    private func request(_ text: String) throws -> RequestHead? {
        var queue = queue(text)
        var head = MessageHead()
        return try head.request(from: &queue)
    }

    /// RFC 9112 section 2.1.
    @Test func everySplitGivesTheSameHead() throws {
        let text = "POST /v1.51/containers/x/attach?stream=1 HTTP/1.1\r\nHost: docker\r\nUpgrade:tcp \r\n\r\nrest"
        let bytes = Array(text.utf8)
        for split in 0...bytes.count {
            var queue = ByteQueue()
            var parser = MessageHead()
            queue.append(bytes[..<split])
            var head = try parser.request(from: &queue)
            if head == nil {
                queue.append(bytes[split...])
                head = try parser.request(from: &queue)
            } else {
                queue.append(bytes[split...])
            }
            #expect(head?.method == "POST")
            #expect(head?.target == "/v1.51/containers/x/attach?stream=1")
            #expect(head?.headers["UPGRADE"] == "tcp")
            #expect(queue.take(upTo: 100) == Array("rest".utf8))
        }
    }

    @Test func everyTruncationWaits() throws {
        let bytes = Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8)
        for length in 0..<bytes.count {
            var queue = ByteQueue()
            queue.append(bytes[..<length])
            var parser = MessageHead()
            #expect(try parser.request(from: &queue) == nil)
        }
    }

    @Test(arguments: [
        "GET /\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n", "G(T / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nName : x\r\n\r\n",
        "GET / HTTP/1.1\r\n: x\r\n\r\n", "GET / HTTP/1.1\r\nA: x\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nA: \u{1}\r\n\r\n",
        "GET /\u{e9} HTTP/1.1\r\n\r\n", "GET / FTP/1.1\r\n\r\n", "\u{16}\u{3}\u{1}\r\n\r\n",
    ])
    func malformedHeadsAreRefused(_ text: String) {
        #expect {
            _ = try request(text)
        } throws: { error in
            if case .malformed = error as? HTTPError { true } else { false }
        }
    }

    @Test func otherVersionsAreRefused() {
        #expect(throws: HTTPError.unsupportedVersion) { try request("GET / HTTP/2.0\r\n\r\n") }
    }

    @Test func aHeadIsBounded() {
        let long = "GET / HTTP/1.1\r\nA: " + String(repeating: "x", count: HTTPLimits.headBytes)
        #expect(throws: HTTPError.headTooLong) { try request(long) }
        #expect(throws: HTTPError.headTooLong) { try request(long + "\r\n\r\n") }
    }

    /// RFC 9112 section 9.3.
    @Test func connectionsAreKeptByVersionAndHeader() throws {
        #expect(try request("GET / HTTP/1.1\r\n\r\n")?.keepsAlive == true)
        #expect(try request("GET / HTTP/1.0\r\n\r\n")?.keepsAlive == false)
        #expect(try request("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")?.keepsAlive == true)
        #expect(try request("GET / HTTP/1.1\r\nConnection: x, Close\r\n\r\n")?.keepsAlive == false)
    }

    @Test func responsesParse() throws {
        var queue = queue("HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nraw")
        var parser = MessageHead()
        let head = try parser.response(from: &queue)
        #expect(head?.status == 101)
        #expect(head?.reason == "UPGRADED")
        #expect(queue.count == 3)
    }

    @Test func serializedHeadersCannotBreakTheLine() {
        let head = ResponseHead(status: 200, headers: ["A": "x\r\nB: y"])
        #expect(String(decoding: head.serialized(), as: UTF8.self) == "HTTP/1.1 200 OK\r\nA: xB: y\r\n\r\n")
    }

    @Test func targetsAreTakenApart() throws {
        let target = try RequestTarget(parsing: "/images/a%2Fb/json?filters=%7B%22x%22%3A1%7D&names=a+b&names=c&flag")
        #expect(target.segments == ["images", "a/b", "json"])
        #expect(target["filters"] == "{\"x\":1}")
        #expect(target.all("names") == ["a b", "c"])
        #expect(target["flag"] == "")
        #expect(try RequestTarget(parsing: "http://docker/_ping?x=1").segments == ["_ping"])
        #expect(throws: HTTPError.self) { try RequestTarget(parsing: "/%zz") }
        #expect(throws: HTTPError.self) { try RequestTarget(parsing: "/%ff") }
        #expect(throws: HTTPError.self) { try RequestTarget(parsing: "*") }
    }
}
