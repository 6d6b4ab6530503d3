/// Finds out which of a scenario's faults a violation needs, by leaving out others (Zeller, Hildebrandt: Simplifying
/// and Isolating Failure-Inducing Input).
public enum Minimiser {
    /// - Returns: the scenario with as few faults as were found to do, which breaks the same promise.
    public static func minimise(_ scenario: Scenario, _ violation: Violation) -> Scenario {
        minimise(scenario) { candidate in
            var simulation = Simulation(candidate)
            return simulation.run().violations.first?.promise == violation.promise
        }
    }

    /// - Parameter isBroken: whether a scenario with fewer faults still shows it.
    static func minimise(_ scenario: Scenario, _ isBroken: (Scenario) -> Bool) -> Scenario {
        var best = scenario
        var pieces = 2
        while !best.faults.isEmpty {
            let size = (best.faults.count + pieces - 1) / pieces
            let smaller = stride(from: 0, to: best.faults.count, by: size).lazy.map { start in
                var candidate = best
                candidate.faults.removeSubrange(start..<min(start + size, best.faults.count))
                return candidate
            }
            if let candidate = smaller.first(where: isBroken) {
                best = candidate
                pieces = max(2, pieces - 1)
            } else if size == 1 {
                break
            } else {
                pieces = min(best.faults.count, pieces * 2)
            }
        }
        return best
    }
}
