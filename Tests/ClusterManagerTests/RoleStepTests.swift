import ClusterModel
import ClusterPKI
import Testing
import Values

@testable import ClusterManager

/// A host on the way to its role, whose row changes whenever it likes.
@Suite struct RoleStepTests {
    typealias Present = RoleStep.Present
    typealias Assigned = RoleStep.Assigned

    @Test("A host that is what it is to be takes no step") func settled() {
        let manager = Present(isManager: true, certificate: .manager, isRemoved: false)
        let worker = Present(isManager: false, certificate: .worker, isRemoved: false)
        #expect(RoleStep.next(from: manager, to: Assigned(role: .manager, isMember: true)) == nil)
        #expect(RoleStep.next(from: manager, to: Assigned(role: .manager, isMember: false)) == nil)
        #expect(RoleStep.next(from: worker, to: Assigned(role: .worker, isMember: false)) == nil)
    }

    @Test("A manager becomes a worker when the leader has taken it out of raft, and not before") func demoted() {
        let manager = Present(isManager: true, certificate: .manager, isRemoved: false)
        #expect(RoleStep.next(from: manager, to: Assigned(role: .worker, isMember: true)) == nil)
        #expect(RoleStep.next(from: manager, to: Assigned(role: .worker, isMember: false)) == .becomeWorker)
    }

    @Test("A manager that raft has taken out begins anew") func removed() {
        let removed = Present(isManager: true, certificate: .manager, isRemoved: true)
        #expect(RoleStep.next(from: removed, to: Assigned(role: .manager, isMember: false)) == .becomeWorker)
    }

    @Test("A host that counts as a manager and was given a worker's certificate meanwhile asks for another")
    func overtaken() {
        let overtaken = Present(isManager: true, certificate: .worker, isRemoved: false)
        #expect(RoleStep.next(from: overtaken, to: Assigned(role: .manager, isMember: false)) == .renew)
        #expect(RoleStep.next(from: overtaken, to: Assigned(role: .worker, isMember: false)) == .becomeWorker)
    }

    @Test("A worker becomes the witness and stops being one, in step with the policy and with raft") func witness() {
        var worker = Present(isManager: false, certificate: .worker, isRemoved: false)
        let wanted = Assigned(role: .worker, isMember: false, isWitness: true)
        #expect(RoleStep.next(from: worker, to: wanted) == .becomeWitness)
        worker.isWitness = true
        #expect(RoleStep.next(from: worker, to: wanted) == nil)
        #expect(RoleStep.next(from: worker, to: Assigned(role: .worker, isMember: false)) == .endWitness)
        #expect(RoleStep.next(from: worker, to: Assigned(role: .manager, isMember: false)) == .endWitness)
        worker.isRemoved = true
        #expect(RoleStep.next(from: worker, to: wanted) == .endWitness, "it begins anew")
    }

    /// The host asks for its certificate while an operator changes his mind; pictures come late, or not at all where a
    /// newer one overtakes them.
    @Test("Whatever an operator does meanwhile, a host comes to the role of its row", arguments: 0..<200)
    func settles(seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        var host = Present(isManager: false, certificate: .worker, isRemoved: false)
        var row = Assigned(role: .worker, isMember: false)
        var picture = row
        for _ in 0..<40 {
            switch Int.random(in: 0..<5, using: &generator) {
            case 4: row.isWitness.toggle()
            case 0:
                row.role = row.role == .manager ? .worker : .manager
                // The leader takes a worker out of raft, and a manager that asked is one of its members in time.
                row.isMember = row.role == .manager && host.isManager && Bool.random(using: &generator)
            case 1: picture = row
            default: if let step = RoleStep.next(from: host, to: picture) { Self.take(step, &host, row) }
            }
        }
        row.isMember = row.isMember && row.role == .manager
        picture = row
        var steps = 0
        while let step = RoleStep.next(from: host, to: picture), steps < 10 {
            Self.take(step, &host, row)
            steps += 1
        }
        #expect(steps < 6, "it comes to an end")
        #expect(host.isWitness == (row.isWitness && row.role == .worker))
        #expect(host.isManager == (row.role == .manager))
        #expect((host.certificate == .manager) == (row.role == .manager))
    }

    private static func take(_ step: RoleStep, _ host: inout Present, _ row: Assigned) {
        switch step {
        case .renew: host.certificate = row.role == .manager ? .manager : .worker
        case .becomeManager: host.isManager = true
        case .becomeWorker: (host.isManager, host.isRemoved) = (false, false)
        case .becomeWitness: host.isWitness = true
        case .endWitness: (host.isWitness, host.isRemoved) = (false, false)
        }
    }
}
