import CLinux
import Containment
import Glibc
import LinuxSystem
import RuntimeProtocol

/// A process of the container as the shim holds it: its number, its streams, who waits for it to start.
final class ContainedProcess {
    let pid: pid_t
    /// The channel while the process is being set up; -1 afterwards.
    private(set) var sync: Int32
    /// Nil where they were opened before this program began.
    private let streams: StandardStreams?
    private let hasTerminal: Bool
    private let hasInput: Bool
    private let loop: EventLoop

    private(set) var pumps: [OutputPump] = []
    private(set) var input: InputWriter?
    private(set) var terminal: Int32 = -1
    /// How it ended; nil while it lives.
    private(set) var exitCode: Int32?

    /// Where output goes; answers whether there is room for more.
    var takeOutput: (UInt8, UnsafeRawBufferPointer) -> Bool = { _, _ in true }
    /// Called when the process has ended and its output with it.
    var finished: (Int32) -> Void = { _ in }

    init(
        pid: pid_t, sync: Int32, streams: StandardStreams, specification: ProcessSpecification, loop: EventLoop
    ) {
        self.pid = pid
        self.sync = sync
        self.streams = streams
        self.loop = loop
        hasTerminal = specification.hasTerminal
        hasInput = specification.hasInput
        streams.closeChildEnds()
    }

    /// A first process that runs already, as a sleeping shim held it.
    init(_ state: SleepingShim, loop: EventLoop) {
        pid = state.pid
        sync = -1
        streams = nil
        self.loop = loop
        hasTerminal = state.container.hasTerminal
        hasInput = state.container.hasInput
        terminal = state.terminal ?? -1
        for output in state.outputs { read(output.descriptor, output.kind) }
        input = state.input.map { InputWriter($0, isTerminal: hasTerminal, loop: loop) }
    }

    /// Whether nothing of its streams is held here, on its way in or out.
    var isQuiet: Bool { sync < 0 && exitCode == nil && !pumps.contains(where: \.isPaused) && input?.isEmpty != false }

    /// Takes over the master of the process's terminal.
    func adopt(terminal: Int32) { self.terminal = terminal }

    /// Begins to read output; `takeOutput` must be set.
    func openStreams() {
        if hasTerminal {
            guard terminal >= 0 else { return }
            let copy = fcntl(terminal, F_DUPFD_CLOEXEC, 3)
            if copy >= 0 { read(copy, ShimFrame.output) }
            let writer = hasInput ? fcntl(terminal, F_DUPFD_CLOEXEC, 3) : -1
            if writer >= 0 { input = InputWriter(writer, isTerminal: true, loop: loop) }
        } else if let streams {
            read(streams.output, ShimFrame.output)
            read(streams.errorOutput, ShimFrame.errorOutput)
            if streams.input >= 0 { input = InputWriter(streams.input, isTerminal: false, loop: loop) }
        }
    }

    private func read(_ descriptor: Int32, _ kind: UInt8) {
        pumps.append(
            OutputPump(descriptor, kind: kind, loop: loop) { [unowned self] in
                takeOutput($0, $1)
            } ended: { [unowned self] in
                finishIfDone()
            })
    }

    func closeSync() {
        if sync >= 0 { close(sync) }
        sync = -1
    }

    /// Lets go of streams that were never opened.
    func discardStreams() {
        if pumps.isEmpty { streams?.closeOwnEnds() }
        if terminal >= 0 { close(terminal) }
        terminal = -1
    }

    func hasEnded(code: Int32) {
        exitCode = code
        input?.close()
    }

    /// Reads what the process left behind. Output that somebody still holds open is not waited for.
    func drain(limit: Int) {
        for pump in pumps { pump.drain(limit: limit) }
        finishIfDone()
    }

    private func finishIfDone() {
        guard let exitCode, pumps.allSatisfy(\.isAtEnd) else { return }
        if terminal >= 0 { close(terminal) }
        terminal = -1
        let tell = finished
        finished = { _ in }
        tell(exitCode)
    }
}
