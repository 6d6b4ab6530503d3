import ClusterModel
import EngineModel
import JSON
import LinuxSystem
import SessionModel
import Values

/// Whose output is wanted.
public enum LogSubject: Hashable, Sendable {
    case service(String)
    case task(String)

    func tasks(in state: ClusterState) -> [TaskObject] {
        switch self {
        case .service(let id): state.tasks(ofService: id)
        case .task(let id): state.tasks[id].map { [$0] } ?? []
        }
    }

    /// Whether output may come that is not there yet.
    func isAlive(in state: ClusterState) -> Bool {
        switch self {
        case .service(let id): state.services[id] != nil
        case .task(let id): state.tasks[id].map { !$0.status.state.isTerminal } ?? false
        }
    }
}

extension ControlPlane {
    /// How often a followed log is asked for more.
    private static let logPause: Duration = .milliseconds(250)
    /// Lines that wait for the reader.
    private static let waitingLines = 4096
    /// How long a source waits for a reader that is behind.
    private static let readerPause: Duration = .milliseconds(10)

    /// The output of a service's tasks or of one task, wherever they run. Lines of one task are in order; those of
    /// several come as they are found. Followed, tasks that come later are read too, from their beginning, until the
    /// service is removed.
    public func logs(
        of subject: LogSubject, options: TaskLogOptions
    ) async throws(EngineError) -> AsyncThrowingStream<TaskLogLine, any Error> {
        let state = try await state()
        let (lines, continuation) = AsyncThrowingStream.makeStream(
            of: TaskLogLine.self, bufferingPolicy: .bufferingOldest(Self.waitingLines))
        let work = Task {
            await withDiscardingTaskGroup { group in
                var known: Set<String> = []
                func read(_ state: ClusterState, _ options: TaskLogOptions) {
                    for (task, node) in Self.sources(subject.tasks(in: state), state)
                    where known.insert(task.id).inserted {
                        group.addTask { await self.copyLog(of: task, on: node, options, to: continuation) }
                    }
                }
                read(state, options)
                var later = options
                later.tail = nil
                while options.follow, !Task.isCancelled {
                    try? await Task.sleep(for: Self.logPause)
                    guard let state = try? await self.state() else { continue }
                    read(state, later)
                    if !subject.isAlive(in: state) { break }
                }
            }
            continuation.finish()
        }
        continuation.onTermination = { _ in work.cancel() }
        return lines
    }

    /// Those that have a container on a host that can be asked.
    private static func sources(_ tasks: [TaskObject], _ state: ClusterState) -> [(TaskObject, PeerAddress)] {
        tasks.compactMap { task in
            guard let node = state.nodes[task.nodeID], node.status.state == .ready,
                task.status.containerStatus != nil
            else { return nil }
            return (task, PeerAddress(nodeID: node.id, address: node.clusterAddress, isManager: node.raftMember != nil))
        }
    }

    private func copyLog(
        of task: TaskObject, on node: PeerAddress, _ options: TaskLogOptions,
        to continuation: AsyncThrowingStream<TaskLogLine, any Error>.Continuation
    ) async {
        do {
            try await readLog(of: task, on: node, options) { line in
                // A reader that is behind makes the source wait.
                while case .dropped = continuation.yield(line) { try await Task.sleep(for: Self.readerPause) }
            }
        } catch {
            logger.debug(
                "a task's output cannot be read", metadata: ["task": "\(task.id)", "reason": "\(error)"])
        }
    }

    private func readLog(
        of task: TaskObject, on node: PeerAddress, _ options: TaskLogOptions,
        _ yield: (TaskLogLine) async throws -> Void
    ) async throws {
        var after = options.since
        var tail = options.tail
        while !Task.isCancelled {
            let question = TaskLogQuestion(taskID: task.id, after: after, tail: tail)
            let answer = try JSONCoding.decode(
                TaskLogAnswer.self,
                from: await call(HostMethods.logs, JSONCoding.encode(question), node: node))
            for line in answer.lines where line.isError ? options.includesErrors : options.includesOutput {
                try await yield(
                    TaskLogLine(
                        taskID: task.id, serviceID: task.serviceID, nodeID: node.nodeID, isError: line.isError,
                        time: line.time, text: line.text))
            }
            tail = nil
            after = answer.lines.last?.time ?? after ?? .epoch
            if answer.hasMore { continue }
            guard options.follow, answer.isRunning else { return }
            try await Task.sleep(for: Self.logPause)
        }
    }
}
