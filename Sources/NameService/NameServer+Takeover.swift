import Glibc
import LinuxSystem
import Logging
import NetworkModel

extension NameServer {
    /// A server that takes the place of the one behind `socketPath`: its picture, its sockets in every sandbox and its
    /// control socket. No question is lost: those that come meanwhile wait in the sockets.
    public static func takingOver(socketPath: String, program: String? = nil, logger: Logger) throws -> NameServer {
        try takingOver(socketPath: socketPath, program: program, upstreamPort: Sockets.port, logger: logger)
    }

    static func takingOver(
        socketPath: String, program: String?, upstreamPort: UInt16, logger: Logger
    ) throws -> NameServer {
        let channel = try ControlChannel(socketPath: socketPath)
        _ = try channel.receive(.hello)
        try channel.send(ControlRequest(kind: .takeover))
        let first = try channel.receive(.handed)
        guard let picture = first.reply.picture, first.descriptors.count == 1 else {
            throw NameServiceError.connection("the predecessor hands over no picture")
        }
        let server = try NameServer(
            listener: first.descriptors[0], program: program, upstreamPort: upstreamPort, logger: logger)
        server.table = NameTable(picture)
        while true {
            try channel.send(ControlRequest(kind: .next))
            let (reply, descriptors) = try channel.receive(.handed)
            guard let sandboxes = reply.sandboxes, descriptors.count == sandboxes.count * 2 else {
                throw NameServiceError.connection("the predecessor hands over another number of sockets than it says")
            }
            if sandboxes.isEmpty { break }
            for (index, sandbox) in sandboxes.enumerated() {
                server.sockets[sandbox.id] = SandboxSockets(
                    udp: descriptors[index * 2], tcp: descriptors[index * 2 + 1], namespace: sandbox.namespace)
            }
        }
        try channel.send(ControlRequest(kind: .taken))
        _ = try channel.receive(.done)
        for sandbox in server.sockets.keys { server.watchSandbox(sandbox) }
        logger.info("taken over", metadata: ["sandboxes": "\(server.sockets.count)"])
        return server
    }
}
