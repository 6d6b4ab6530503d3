/// Where a lab's files lie.
struct LabPaths: Sendable {
    /// States, sockets and logs of all labs; gone with the machine's reboot, as the hosts are.
    static let runRoot = "/run/martlet-lab"
    /// The hosts' data.
    static let dataRoot = "/var/lib/martlet-lab"

    let lab: String

    var run: String { "\(Self.runRoot)/\(lab)" }
    var data: String { "\(Self.dataRoot)/\(lab)" }
    var state: String { "\(run)/state.json" }
    /// Beside the lab's directory, so that it stays when that goes.
    var lock: String { "\(Self.runRoot)/\(lab).lock" }

    func host(_ name: String) -> String { "\(run)/\(name)" }
    func data(_ name: String) -> String { "\(data)/\(name)" }
    /// Becomes the host's /run/martlet.
    func hostRun(_ name: String) -> String { "\(run)/\(name)/run" }
    /// Where the host's own /run is built before it is moved into place.
    func stage(_ name: String) -> String { "\(run)/\(name)/stage" }
    func socket(_ name: String) -> String { "\(hostRun(name))/martlet.sock" }
    func log(_ name: String) -> String { "\(run)/\(name)/daemon.log" }
    func logPipe(_ name: String) -> String { "\(run)/\(name)/log.pipe" }

    /// The control group that holds those of the lab's hosts.
    var group: String { "martlet-lab-\(lab)" }
}
