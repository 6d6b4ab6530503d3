import Dispatch
import Glibc

/// Lets a run take its lab down when its user interrupts it.
enum Interruption {
    /// Cancels a task when SIGINT, SIGTERM or SIGHUP comes.
    static func cancel<Success>(_ task: Task<Success, any Error>) {
        for number in [SIGINT, SIGTERM, SIGHUP] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { task.cancel() }
            source.resume()
            // Until the process ends.
            _ = Unmanaged.passRetained(source as AnyObject)
        }
    }
}
