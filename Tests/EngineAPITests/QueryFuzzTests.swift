import ClusterStore
import Fuzzing
import HTTPMessages
import Testing
import Values

@testable import EngineAPI

/// What clients write behind a question mark, broken.
@Suite struct QueryFuzzTests {
    @Test func historyQueries() throws {
        let examples = [
            "/martlet/history?limit=10&before=17&object=service/web", "/martlet/history?since=1790000000.5&until=0",
            "/martlet/history?since=2026-11-29T10:00:00%2B01:00&until=-5&object=w%C3%A9b&author=a+b",
        ]
        let report = Fuzzer("history-queries").run(examples.map { Array($0.utf8) }) { input in
            guard let target = try? RequestTarget(parsing: String(decoding: input, as: UTF8.self)),
                let filter = try? HistoryRoutes.filter(of: target)
            else { return .refused }
            guard (1...HistoryFilter.largestLimit).contains(filter.limit) else {
                return .wrong("\(filter.limit) records")
            }
            for time in [filter.since, filter.until] { _ = time.map { ($0.description, $0.preciseDescription) } }
            return .taken
        }
        #expect(report.finding == nil)
    }

    @Test("The smallest number is no time, and ends nobody")
    func timesBeyondAll() {
        for text in ["-9223372036854775808", "9223372036854775807", "9000000000"] {
            #expect(Timestamp(dockerText: text) == nil, "\(text)")
        }
        #expect(Timestamp(dockerText: "-8999999999")?.secondsSinceEpoch == -8_999_999_999)
    }
}
