import Glibc
import Logging
import NameService

// martlet-net --socket PATH [--take-over] [--foreground]
//
// Answers names in this host's containers. It detaches itself from whoever starts it; the starter's wait ends when it
// listens, or has taken over, with exit code 0.

func fail(_ text: String, code: Int32) -> Never {
    let bytes = Array("martlet-net: \(text)\n".utf8)
    _ = write(STDERR_FILENO, bytes, bytes.count)
    exit(code)
}

var socketPath: String?
var takesOver = false
var isForeground = false
var arguments = CommandLine.arguments.dropFirst()
while let argument = arguments.popFirst() {
    switch argument {
    case "--socket": socketPath = arguments.popFirst()
    case "--take-over": takesOver = true
    case "--foreground": isForeground = true
    default:
        fail("unknown argument \(argument)\nusage: martlet-net --socket PATH [--take-over] [--foreground]", code: 2)
    }
}
guard let socketPath else { fail("--socket PATH is missing", code: 2) }

LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
signal(SIGPIPE, SIG_IGN)
do {
    try Detachment.run(isForeground: isForeground) {
        let logger = Logger(label: "martlet-net")
        return takesOver
            ? try NameServer.takingOver(socketPath: socketPath, program: "/proc/self/exe", logger: logger)
            : try NameServer(socketPath: socketPath, program: "/proc/self/exe", logger: logger)
    }
} catch {
    fail("\(error)", code: 1)
}
