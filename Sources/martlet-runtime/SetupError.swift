import LinuxSystem

/// Why a container or a process in it cannot be: the reason in words, and Docker's exit code for it.
struct SetupError: Error {
    let reason: String
    let code: Int32

    init(_ reason: String, code: Int32 = 128) {
        self.reason = reason
        self.code = code
    }

    init(_ error: any Error) {
        if let error = error as? SetupError { self = error } else { self.init("\(error)") }
    }
}
