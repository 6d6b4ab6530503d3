import Cgroups
import Glibc
import LinuxSystem

/// Files by which a process moves itself into a control group, opened with the runtime's rights: the kernel asks for
/// those of who opened them (cgroups(7)).
struct GroupEntrances {
    private(set) var files: [Int32] = []

    /// Files that another process opened.
    init(owning files: [Int32]) { self.files = files }

    /// - Parameter exceptUnified: leaves out v2, where the process begins in the group (CLONE_INTO_CGROUP).
    init(_ group: ControlGroup, exceptUnified: Bool) throws(SystemError) {
        for directory in group.directories where !(directory.isUnified && exceptUnified) {
            // A thread that moves itself needs no lock that waits for the whole machine.
            let name = directory.isUnified ? "/cgroup.procs" : "/tasks"
            do {
                files.append(try Descriptor.open(directory.path + name, O_WRONLY).release())
            } catch {
                close()
                throw error
            }
        }
    }

    func enter() throws(SystemError) {
        for file in files { try syscall("join", on: "control group") { write(file, "0", 1) } }
    }

    func close() { for file in files { Glibc.close(file) } }
}
