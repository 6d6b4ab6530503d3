import ClusterModel
import Testing

@Suite struct VersionRiseTests {
    /// Managers a, b, c and so on, each with the versions that it supports; nil for one that does not answer.
    private func decision(_ current: Int, _ ranges: (Int, Int)?...) throws -> VersionRise.Decision {
        let managers = try zip("abcdefg", ranges).map { name, range in
            VersionRise.Manager(
                nodeID: String(name),
                versions: try range.map { range in
                    let supported = SupportedVersions(
                        lowest: ClusterVersion(range.0), highest: ClusterVersion(range.1))
                    return ManagerVersions(program: "test", supported: try #require(supported))
                })
        }
        return VersionRise(current: ClusterVersion(current), managers: managers).decision
    }

    @Test("It rises when all support a higher version, to the highest that all do")
    func rising() throws {
        #expect(try decision(1, (1, 2), (1, 2), (1, 2)) == .raise(to: ClusterVersion(2)))
        #expect(try decision(1, (1, 3), (1, 3)) == .raise(to: ClusterVersion(3)))
        #expect(try decision(1, (1, 4), (1, 3), (1, 4)) == .raise(to: ClusterVersion(3)))
        #expect(try decision(2, (1, 3)) == .raise(to: ClusterVersion(3)), "a manager alone")
    }

    @Test("It waits for who does not support it, and for who says nothing, and names them")
    func waiting() throws {
        #expect(try decision(1, (1, 2), (1, 1), (1, 2)) == .wait(for: ClusterVersion(2), on: ["b"]))
        #expect(try decision(1, (1, 2), nil, (1, 2)) == .wait(for: ClusterVersion(2), on: ["b"]))
        #expect(try decision(1, (1, 2), nil, (1, 1)) == .wait(for: ClusterVersion(2), on: ["b", "c"]))
        #expect(try decision(3, (1, 4), (1, 4), (1, 3)) == .wait(for: ClusterVersion(4), on: ["c"]))
        // One that has left the lower versions behind cannot come to where the others are.
        #expect(try decision(1, (1, 2), (3, 4)) == .wait(for: ClusterVersion(4), on: ["a"]))
    }

    @Test("It never falls, and stays where nobody knows more")
    func staying() throws {
        #expect(try decision(2, (1, 2), (1, 2)) == .settled)
        #expect(try decision(2, (1, 1), (1, 1)) == .settled)
        #expect(try decision(2, (1, 2), nil) == .settled)
        #expect(try decision(2) == .settled)
    }
}
