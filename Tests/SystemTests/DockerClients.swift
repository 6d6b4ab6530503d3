import Glibc
import LinuxSystem
import TestSupport

/// The docker CLI on the PATH. `scripts/setup --tests` gets Debian's where there is none.
struct DockerCLI: Sendable {
    let path: String
    /// `28.2.2`
    let version: String
    /// The minor part of the newest API version that it speaks: 50 for 1.50.
    let api: Int

    /// Nil where the PATH has none, or another program of that name.
    static let installed: DockerCLI? = {
        guard let path = TestEnvironment.command("docker") else { return nil }
        // There is no daemon to ask, so that it ends with an error; its own versions it prints all the same.
        let asked = try? Command.runBlocking(
            [path, "version", "--format", "{{.Client.Version}} {{.Client.APIVersion}}"],
            environment: ["DOCKER_HOST=unix:///nonexistent", "DOCKER_CONFIG=/nonexistent"], within: .seconds(20))
        let words = asked?.lines.first?.split(separator: " ") ?? []
        guard words.count == 2, words[1].hasPrefix("1."), let api = Int(words[1].dropFirst(2)) else { return nil }
        return DockerCLI(path: path, version: String(words[0]), api: api)
    }()

    /// Whether it speaks API version 1.`minor`; a client that does not has the output say what it cannot.
    func speaks(_ minor: Int, orElse lack: String) -> Bool {
        if api < minor { print("docker CLI \(version) (API 1.\(api)): \(lack)") }
        return api >= minor
    }
}

/// A python that has docker-py.
enum DockerPy {
    /// `MARTLET_PYTHON`, else the first that can import it; nil where none can.
    static let python: String? = {
        let candidates = getenv("MARTLET_PYTHON").map { [String(cString: $0)] } ?? ["python3", "/usr/bin/python3"]
        return candidates.first {
            (try? Command.runBlocking([$0, "-c", "import docker; docker.DockerClient"]))?.succeeded == true
        }
    }()
}
