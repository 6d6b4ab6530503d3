import HTTPMessages
import Testing

@Suite struct BodyDecoderTests {
    private func decoder(_ headers: HeaderFields) throws -> BodyDecoder {
        try BodyDecoder(request: RequestHead(method: "POST", target: "/", headers: headers))
    }

    /// The body of `bytes` handed over in two parts, and what is left in the queue.
    private func decode(_ headers: HeaderFields, _ bytes: [UInt8], split: Int) throws -> (body: String, rest: String) {
        var decoder = try decoder(headers)
        var queue = ByteQueue()
        var body: [UInt8] = []
        var parts = [Array(bytes[..<split]), Array(bytes[split...])]
        while true {
            switch try decoder.step(&queue) {
            case .piece(let piece): body += piece
            case .end:
                for part in parts { queue.append(part) }
                return (String(decoding: body, as: UTF8.self), String(decoding: queue.take(upTo: 1000), as: UTF8.self))
            case .needsMore:
                guard !parts.isEmpty else {
                    try decoder.finish()
                    return (String(decoding: body, as: UTF8.self), "")
                }
                queue.append(parts.removeFirst())
            }
        }
    }

    /// RFC 9112 section 7.1, with an extension and a trailer.
    @Test func everySplitOfChunksGivesTheSameBody() throws {
        let bytes = Array("5\r\nhello\r\n7;x=1\r\n, world\r\n0\r\nTrailer: x\r\n\r\nGET".utf8)
        for split in 0...bytes.count {
            let (body, rest) = try decode(["Transfer-Encoding": "chunked"], bytes, split: split)
            #expect(body == "hello, world")
            #expect(rest == "GET")
        }
    }

    @Test func everySplitOfALengthGivesTheSameBody() throws {
        let bytes = Array("hello rest".utf8)
        for split in 0...bytes.count {
            let (body, rest) = try decode(["Content-Length": "5"], bytes, split: split)
            #expect(body == "hello")
            #expect(rest == " rest")
        }
    }

    @Test func everyTruncationIsFound() throws {
        let chunked = Array("5\r\nhello\r\n0\r\n\r\n".utf8)
        for length in 0..<chunked.count {
            #expect(throws: HTTPError.truncated) {
                try decode(["Transfer-Encoding": "chunked"], Array(chunked[..<length]), split: 0)
            }
        }
        #expect(throws: HTTPError.truncated) { try decode(["Content-Length": "5"], Array("hell".utf8), split: 0) }
    }

    /// RFC 9112 section 6.3: a message that two servers could read in two ways is none.
    @Test func ambiguousFramingIsRefused() {
        #expect(throws: HTTPError.self) { try decoder(["Content-Length": "5", "Transfer-Encoding": "chunked"]) }
        #expect(throws: HTTPError.self) { try decoder(["Content-Length": "5", "content-length": "6"]) }
        #expect(throws: HTTPError.unsupportedCoding) { try decoder(["Transfer-Encoding": "gzip, chunked"]) }
        for length in ["", "-1", "+5", "0x5", "5 5", "99999999999999999999"] {
            #expect(throws: HTTPError.self) { try decoder(["Content-Length": length]) }
        }
    }

    @Test(arguments: ["x\r\n", "-5\r\n", "\r\n", "ffffffffffffffff\r\n", "5\r\nhelloX\r\n", "5 x"])
    func malformedChunksAreRefused(_ text: String) {
        #expect(throws: HTTPError.self) {
            try decode(["Transfer-Encoding": "chunked"], Array(text.utf8), split: 0)
        }
    }

    @Test func aChunkLineIsBounded() {
        let line = Array(String(repeating: "0", count: HTTPLimits.chunkLineBytes + 1).utf8)
        #expect(throws: HTTPError.self) { try decode(["Transfer-Encoding": "chunked"], line, split: 0) }
    }

    @Test func responsesWithoutLengthEndWithTheConnection() throws {
        var open = try BodyDecoder(response: ResponseHead(status: 200), method: "GET")
        #expect(!open.isAtEnd)
        try open.finish()
        #expect(open.isAtEnd)
        for (status, method) in [(204, "GET"), (304, "GET"), (101, "POST"), (200, "HEAD")] {
            let none = try BodyDecoder(
                response: ResponseHead(status: status, headers: ["Content-Length": "9"]), method: method)
            #expect(none.isAtEnd)
        }
    }

    @Test func chunksRoundTrip() throws {
        let bytes = Chunk.encode(Array(repeating: 0x61, count: 300)) + Chunk.last
        let (body, _) = try decode(["Transfer-Encoding": "chunked"], bytes, split: 7)
        #expect(body.utf8.count == 300)
    }
}
