import NIOCore
import Synchronization

/// The connections that a server has accepted and that are open.
final class AcceptedConnections: Sendable {
    private struct State {
        var isOpen = true
        var channels: [ObjectIdentifier: any Channel] = [:]
    }

    private let state = Mutex(State())

    /// Takes a connection in until it is closed; false where none is accepted any more.
    func admit(_ channel: any Channel) -> Bool {
        let id = ObjectIdentifier(channel)
        let isAdmitted = state.withLock { state in
            if state.isOpen { state.channels[id] = channel }
            return state.isOpen
        }
        if isAdmitted {
            channel.closeFuture.whenComplete { _ in self.state.withLock { $0.channels[id] = nil } }
        }
        return isAdmitted
    }

    func refuse() { state.withLock { $0.isOpen = false } }

    /// Closes those that are open; from then on none of them brings anything any more. Whether there were any.
    func close() async -> Bool {
        let channels = state.withLock { Array($0.channels.values) }
        for channel in channels {
            try? await channel.eventLoop.submit { channel.close(promise: nil) }.get()
        }
        return !channels.isEmpty
    }
}
