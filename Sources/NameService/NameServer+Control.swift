import CLinux
import Glibc
import LinuxSystem
import NetworkModel

/// A client's connection: martletd, or a newer martlet-net.
struct ControlConnection {
    let descriptor: Int32
    var input: [UInt8] = []
}

extension NameServer {
    /// How long a client may leave an answer unread, in seconds.
    private static let sendTimeoutSeconds = 5
    /// How many sandboxes are handed over in one message, with two descriptors each.
    static let handedAtOnce = UnixSocket.descriptorLimit / 2

    func acceptControl() {
        defer { poller.arm(listener) }
        guard let accepted = try? UnixSocket.accept(listener) else { return }
        let descriptor = accepted.release()
        guard controls.count < Self.controlLimit else {
            close(descriptor)
            return
        }
        var time = timeval(tv_sec: Self.sendTimeoutSeconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        let id = nextID()
        controls[id] = ControlConnection(descriptor: descriptor)
        var hello = ControlReply(.hello)
        hello.program = program
        hello.processID = getpid()
        hello.receipt = NameReceipt(revision: table.picture.revision)
        if reply(id, hello) { watch(descriptor, .control(id)) }
    }

    func readControl(_ id: Int) {
        guard let descriptor = controls[id]?.descriptor else { return }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { break }
            guard count > 0, controls[id]!.input.count + count <= ControlLines.limit else { return closeControl(id) }
            controls[id]!.input += buffer[..<count]
        }
        while let end = controls[id]?.input.firstIndex(of: 0x0a) {
            let line = Array(controls[id]!.input[..<end])
            controls[id]!.input.removeFirst(end + 1)
            do {
                carryOut(try ControlLines.decode(ControlRequest.self, line), from: id)
            } catch {
                refuse(id, error.description)
            }
        }
        if controls[id] != nil { poller.arm(descriptor) }
    }

    private func carryOut(_ request: ControlRequest, from id: Int) {
        switch (request.kind, phase) {
        case (.picture, .serving):
            guard let picture = request.picture else { return refuse(id, "the picture is missing") }
            apply(picture, changed: nil, from: id)
        case (.change, .serving):
            guard let change = request.change, let picture = change.applied(to: table.picture) else {
                return refuse(id, "the change is not one of revision \(table.picture.revision)")
            }
            apply(picture, changed: Set(change.sandboxes.map(\.id)), from: id)
        case (.takeover, .serving): beginHandover(id)
        case (.next, .handing(id, let remaining)): handNext(id, remaining)
        case (.taken, .handing(id, _)): retire(id)
        case (.stop, _):
            reply(id, ControlReply(.done))
            phase = .stopped
        default: refuse(id, "\(request.kind.rawValue) does not fit: another martlet-net is taking over")
        }
    }

    private func refuse(_ id: Int, _ reason: String) {
        var answer = ControlReply(.refused)
        answer.reason = reason
        reply(id, answer)
    }

    /// Sends a line; closes the connection and answers false where that fails.
    @discardableResult
    private func reply(_ id: Int, _ answer: ControlReply, descriptors: [Int32] = []) -> Bool {
        guard let descriptor = controls[id]?.descriptor else { return false }
        do {
            try UnixSocket.send(descriptor, ControlLines.encode(answer), descriptors: descriptors)
            return true
        } catch {
            closeControl(id)
            return false
        }
    }

    private func closeControl(_ id: Int) {
        guard let connection = controls.removeValue(forKey: id) else { return }
        forget(connection.descriptor)
        close(connection.descriptor)
        if case .handing(id, _) = phase {
            logger.warning("a newer martlet-net broke off its take-over")
            phase = .serving
            for sandbox in sockets.keys { watchSandbox(sandbox) }
        }
    }

    // MARK: Pictures

    /// Answers by a picture from now on. Namespaces are looked at for the sandboxes that changed and those without
    /// sockets.
    private func apply(_ picture: DNSPicture, changed: Set<String>?, from id: Int) {
        table = NameTable(picture)
        let wanted = Set(picture.sandboxes.map(\.id))
        for sandbox in sockets.keys.filter({ !wanted.contains($0) }) { closeSandbox(sandbox) }
        var receipt = NameReceipt(revision: picture.revision)
        for sandbox in picture.sandboxes {
            if let changed, !changed.contains(sandbox.id), sockets[sandbox.id] != nil { continue }
            do {
                let identity = try Sockets.namespaceIdentity(sandbox.namespacePath)
                if sockets[sandbox.id]?.namespace == identity { continue }
                closeSandbox(sandbox.id)
                let (udp, tcp) = try Sockets.open(in: sandbox.namespacePath)
                sockets[sandbox.id] = SandboxSockets(udp: udp, tcp: tcp, namespace: identity)
                watchSandbox(sandbox.id)
            } catch {
                closeSandbox(sandbox.id)
                receipt.failures[sandbox.id] = "\(error)"
                logger.warning("no names in a sandbox", metadata: ["sandbox": "\(sandbox.id)", "error": "\(error)"])
            }
        }
        var answer = ControlReply(.applied)
        answer.receipt = receipt
        reply(id, answer)
    }

    func watchSandbox(_ id: String) {
        guard let socket = sockets[id] else { return }
        watch(socket.udp, .datagrams(id))
        watch(socket.tcp, .accepts(id))
    }

    private func closeSandbox(_ id: String) {
        guard let socket = sockets.removeValue(forKey: id) else { return }
        for descriptor in [socket.udp, socket.tcp] {
            forget(descriptor)
            close(descriptor)
        }
        for (stream, _) in streams.filter({ $0.value.sandbox == id }) { closeStream(stream) }
        for (key, var query) in forwards.filter({ $0.value.sandbox == id }) {
            forget(query.socket)
            query.close()
            forwards[key] = nil
        }
    }

    // MARK: Handing over

    /// Stops reading questions, which wait in the sockets meanwhile, and hands over the picture and the control socket.
    private func beginHandover(_ id: Int) {
        phase = .handing(id, remaining: sockets.keys.sorted())
        for socket in sockets.values {
            forget(socket.udp)
            forget(socket.tcp)
        }
        var answer = ControlReply(.handed)
        answer.picture = table.picture
        reply(id, answer, descriptors: [listener])
    }

    private func handNext(_ id: Int, _ remaining: [String]) {
        let now = remaining.prefix(Self.handedAtOnce)
        phase = .handing(id, remaining: Array(remaining.dropFirst(now.count)))
        var answer = ControlReply(.handed)
        answer.sandboxes = now.map { HandedSandbox(id: $0, namespace: sockets[$0]!.namespace) }
        reply(id, answer, descriptors: now.flatMap { [sockets[$0]!.udp, sockets[$0]!.tcp] })
    }

    /// The newer one answers from now on. What was passed on to other servers is still answered here.
    private func retire(_ id: Int) {
        forget(listener)
        close(listener)
        phase = .retired(until: Clock.sinceBoot() + Self.retirement)
        reply(id, ControlReply(.done))
        for connection in controls.keys { closeControl(connection) }
        logger.info("a newer martlet-net has taken over")
    }
}
