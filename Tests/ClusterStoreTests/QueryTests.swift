import ClusterModel
import ClusterStore
import JSON
import Logging
import RaftNode
import TestSupport
import Testing
import Values

@Suite struct QueryTests {
    private func store(_ folder: borrowing TemporaryDirectory) throws -> ClusterStore {
        let store = try ClusterStore(directory: folder.path, logger: Logger(label: "test"))
        let cluster = ClusterObject(
            id: "c", createdAt: .epoch, spec: [:], rootCertificate: "", rootKey: SealedValue(unsealed: "hidden"),
            workerToken: SealedValue(unsealed: "hidden"),
            managerToken: SealedValue(unsealed: "hidden"), addressPools: [], subnetSize: 24, dataPathPort: 4789,
            gatewayPool: CIDR("10.192.0.0/10")!)
        let service = ServiceObject(
            id: "s", createdAt: .epoch,
            spec: ServiceSpec(name: "web", taskTemplate: TaskTemplate(containerSpec: ContainerSpec(image: "x"))),
            document: ["Name": "web"], endpoint: ServiceEndpoint())
        let transaction = Transaction(
            time: .epoch, author: .orchestrator,
            mutations: [.putCluster(cluster, expected: 0), .putService(service, expected: 0)])
        _ = try store.apply([CommittedCommand(index: 1, term: 1, bytes: try JSONCoding.encode(transaction))])
        return store
    }

    @Test("Tables of the state are read, JSON and history too")
    func reading() throws {
        let folder = try TemporaryDirectory()
        let store = try store(folder)
        let answer = try store.query("SELECT id, name, body ->> '$.spec.name' AS inside FROM service -- all")
        #expect(answer.columns == ["id", "name", "inside"])
        #expect(answer.rows == [["s", "web", "web"]])
        #expect(!answer.isCut)
        #expect(try store.query("SELECT kind, change FROM history ORDER BY kind;").rows.count == 2)
        #expect(try store.query("SELECT id FROM cluster").rows == [["c"]])
        #expect(try store.query("SELECT count(*) FROM task").rows == [[0]])
        #expect(
            try store.query("SELECT e.value FROM service, json_each(service.body, '$.spec') AS e WHERE e.key = 'name'")
                .rows == [["web"]])
    }

    @Test(
        "Nothing secret is read, nothing is written, nothing else is reached",
        arguments: [
            "SELECT body FROM cluster", "SELECT * FROM cluster", "SELECT c.body FROM cluster AS c",
            "WITH x AS (SELECT body AS b FROM cluster) SELECT b FROM x", "SELECT id FROM recent",
            "DELETE FROM service", "UPDATE service SET name = 'x'", "INSERT INTO service VALUES ('a', 'b', 1, 'c')",
            "CREATE TABLE x (a)", "DROP TABLE service", "ATTACH '/etc/passwd' AS x", "PRAGMA user_version",
            "PRAGMA journal_mode = DELETE", "VACUUM INTO '/tmp/martlet-should-not-be'", "BEGIN", "COMMIT",
            "SELECT load_extension('x')", "SELECT * FROM pragma_database_list", "CREATE TEMP TABLE x (a)",
            "EXPLAIN DELETE FROM service", "SELECT name FROM sqlite_temp_master",
        ])
    func refusals(statement: String) throws {
        let folder = try TemporaryDirectory()
        let store = try store(folder)
        #expect(throws: StateQueryRefusal.self) { _ = try store.query(statement) }
        #expect(try store.query("SELECT name FROM service").rows == [["web"]])
    }

    @Test("Errors are SQLite's own words")
    func words() throws {
        let folder = try TemporaryDirectory()
        let store = try store(folder)
        func words(_ statement: String) -> String {
            do {
                _ = try store.query(statement)
                return ""
            } catch {
                return "\(error)"
            }
        }
        #expect(words("SELECT missing FROM service") == "no such column: missing")
        #expect(words("SELEC") == "near \"SELEC\": syntax error")
        #expect(words("SELECT body FROM cluster") == "access to cluster.body is prohibited")
        #expect(words("PRAGMA user_version") == "not authorized")
        #expect(words("") == "exactly one statement is run")
        #expect(words("-- nothing") == "exactly one statement is run")
        #expect(words("SELECT 1; SELECT 2") == "exactly one statement is run")
        #expect(words("SELECT 1; DELETE FROM service") == "exactly one statement is run")
    }
}
