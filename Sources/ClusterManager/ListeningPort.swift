import EngineModel
import LinuxSystem

/// The TCP port of a host's cluster listener, before it listens.
enum ListeningPort {
    /// Throws where the port cannot be listened on now, so that a host which cannot be reached gets no place in a
    /// cluster. Another process may still take it later.
    ///
    /// - Parameter isV6: of which family the address is that peers use.
    static func requireFree(_ port: UInt16, isV6: Bool) throws(EngineError) {
        do throws(SystemError) {
            try PortProbe.bind([UInt8](repeating: 0, count: isV6 ? 16 : 4), port: port, isStream: true)
        } catch {
            throw EngineError(.unavailable, "port \(port) cannot be listened on: \(error)")
        }
    }
}
