#!/usr/bin/env python3
"""Runs one OCI bundle by several runtimes in turn and prints times and peak memory as JSON.

Started by bench_runtime.py, in a mount namespace of its own. Every turn runs each runtime once, and another one
begins each time, so that what else the machine does falls on all of them.
"""
import argparse
import ctypes
import json
import os
import subprocess
import sys
import time

WARM_UP = 5
MEMORY_RUNS = 9
PR_SET_CHILD_SUBREAPER = 36
CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
QUIET = ["nosuid", "noexec", "nodev"]
MOUNTS = [
    ("/proc", "proc", "proc", []),
    ("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    ("/dev/pts", "devpts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
    ("/dev/shm", "tmpfs", "shm", QUIET + ["mode=1777", "size=65536k"]),
    ("/dev/mqueue", "mqueue", "mqueue", QUIET),
    ("/sys", "sysfs", "sysfs", QUIET + ["ro"]),
    ("/sys/fs/cgroup", "cgroup", "cgroup", QUIET + ["relatime", "ro"]),
]
# What `runc spec` of runc 1.1 writes, for /bin/true and without a terminal.
CONFIGURATION = {
    "ociVersion": "1.0.2",
    "process": {
        "terminal": False, "user": {"uid": 0, "gid": 0}, "args": ["/bin/true"], "cwd": "/",
        "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
        "capabilities": {
            name: CAPABILITIES for name in ("bounding", "effective", "permitted", "ambient")},
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}], "noNewPrivileges": True},
    "root": {"path": "rootfs", "readonly": True},
    "hostname": "bench",
    "mounts": [
        {"destination": destination, "type": kind, "source": source, "options": options}
        for destination, kind, source, options in MOUNTS],
    "linux": {
        "resources": {"devices": [{"allow": False, "access": "rwm"}]},
        "namespaces": [{"type": name} for name in ("pid", "network", "ipc", "uts", "mount")],
        "maskedPaths": [
            "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
            "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]}}


def make_bundle(folder):
    """A root of one static busybox, and its config.json."""
    os.makedirs(os.path.join(folder, "rootfs/bin"))
    subprocess.run(["cp", "/bin/busybox", os.path.join(folder, "rootfs/bin/busybox")], check=True)
    os.symlink("busybox", os.path.join(folder, "rootfs/bin/true"))
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(CONFIGURATION, file)


class Runtime:
    """An OCI runtime with a state directory of its own."""

    def __init__(self, name, program, folder):
        self.name = name
        self.program = program
        self.state = os.path.join(folder, f"state-{name}")
        self.bundle = os.path.join(folder, "bundle")
        self.log = os.path.join(folder, f"{name}.log")
        self.count = 0
        self.times = []
        self.peaks = []

    def command(self):
        self.count += 1
        self.container = f"bench-{self.name}-{os.getpid()}-{self.count}"
        return [self.program, "--root", self.state, "run", "--bundle", self.bundle, self.container]

    def spawn(self, command):
        actions = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                   (os.POSIX_SPAWN_OPEN, 1, self.log, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600),
                   (os.POSIX_SPAWN_DUP2, 1, 2)]
        return os.posix_spawn(command[0], command, os.environ, file_actions=actions)

    def check(self, status):
        """Ends the measurement if a run failed, after taking away what it left."""
        if os.waitstatus_to_exitcode(status) == 0:
            return
        subprocess.run([self.program, "--root", self.state, "delete", "--force", self.container],
                       capture_output=True, timeout=30)
        with open(self.log) as log:
            sys.exit(f"{self.name} run: {os.waitstatus_to_exitcode(status)}: {log.read().strip() or 'no message'}")

    def timed(self):
        begun = time.monotonic()
        _, status, _ = os.wait4(self.spawn(self.command()), 0)
        self.times.append(time.monotonic() - begun)
        self.check(status)

    def weighed(self):
        """Peak resident memory of the runtime's processes, in KiB.

        Linux counts the memory of the process that forked towards the child's peak. So a shell stands between, which is
        smaller than each of the runtimes, and leaves the child to this process.
        """
        shell = self.spawn(["/bin/sh", "-c", '"$@" & echo "$!" >"$0"', self.log + ".pid", *self.command()])
        left = {}
        while True:
            try:
                pid, status, usage = os.wait4(-1, 0)
            except ChildProcessError:
                break
            left[pid] = status, usage.ru_maxrss
        self.check(left[shell][0])
        with open(self.log + ".pid") as file:
            status, peak = left[int(file.read())]
        self.check(status)
        self.peaks.append(peak)


def in_turn(runtimes, times, action):
    for turn in range(times):
        for index in range(len(runtimes)):
            action(runtimes[(turn + index) % len(runtimes)])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", required=True, help="an empty folder")
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("runtimes", nargs="+", help="NAME=PROGRAM")
    options = parser.parse_args()
    make_bundle(os.path.join(options.folder, "bundle"))
    runtimes = [Runtime(*runtime.split("=", 1), options.folder) for runtime in options.runtimes]
    in_turn(runtimes, WARM_UP, Runtime.timed)
    for runtime in runtimes:
        runtime.times.clear()
    in_turn(runtimes, options.runs, Runtime.timed)
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    in_turn(runtimes, MEMORY_RUNS, Runtime.weighed)
    print(json.dumps({runtime.name: {"times": runtime.times, "peaks": runtime.peaks} for runtime in runtimes}))


if __name__ == "__main__":
    main()
