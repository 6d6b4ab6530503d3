import ClusterModel
import EngineModel
import JSON
import LinuxSystem
import SessionModel
import Values

extension ControlPlane {
    /// How often a followed log is asked for more.
    private static let logPause: Duration = .milliseconds(250)
    /// Lines that wait for the reader.
    private static let waitingLines = 4096
    /// How long a source waits for a reader that is behind.
    private static let readerPause: Duration = .milliseconds(10)

    /// The output of the tasks' containers, wherever they run: for `service logs` and `task logs`. Lines of one task
    /// are in order; those of several come as they are found.
    public func logs(ofTasks ids: [String], options: TaskLogOptions) async throws(EngineError)
        -> AsyncThrowingStream<TaskLogLine, any Error>
    {
        let state = try await state()
        let sources = ids.compactMap { id -> (TaskObject, PeerAddress)? in
            guard let task = state.tasks[id], let node = state.nodes[task.nodeID], node.status.state == .ready,
                task.status.containerStatus != nil
            else { return nil }
            return (task, PeerAddress(nodeID: node.id, address: node.clusterAddress, isManager: node.raftMember != nil))
        }
        let (lines, continuation) = AsyncThrowingStream.makeStream(
            of: TaskLogLine.self, bufferingPolicy: .bufferingOldest(Self.waitingLines))
        let work = Task {
            await withTaskGroup(of: Void.self) { group in
                for (task, node) in sources {
                    group.addTask {
                        do {
                            try await self.readLog(of: task, on: node, options) { line in
                                // A reader that is behind makes the source wait.
                                while case .dropped = continuation.yield(line) {
                                    try await Task.sleep(for: Self.readerPause)
                                }
                            }
                        } catch {
                            self.logger.debug(
                                "a task's output cannot be read",
                                metadata: ["task": "\(task.id)", "reason": "\(error)"])
                        }
                    }
                }
            }
            continuation.finish()
        }
        continuation.onTermination = { _ in work.cancel() }
        return lines
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
                        taskID: task.id, nodeID: node.nodeID, isError: line.isError, time: line.time, text: line.text))
            }
            tail = nil
            after = answer.lines.last?.time ?? after ?? .epoch
            if answer.hasMore { continue }
            guard options.follow, answer.isRunning else { return }
            try await Task.sleep(for: Self.logPause)
        }
    }
}
