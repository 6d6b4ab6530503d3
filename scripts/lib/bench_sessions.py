#!/usr/bin/env python3
"""The measurements of scripts/bench sessions: what a manager does for many hosts' sessions. Started by it."""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import threading
import time

import bench
from bench import BIN, MARTLET, Cluster, Failure, run, say, wait_for

CHANGES = {
    "nothing": "nothing that a host has to know", "host": "one host's tasks",
    "network": "whether a task serves, on a network", "all": "a host joins",
}
STEPS = ("pictureSeconds", "comparisonSeconds", "encodingSeconds", "receiptSeconds")


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/bench sessions", description="Measures what a manager does for many hosts' sessions.")
    parser.add_argument("--images", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=int, default=3, help="processes (3)")
    parser.add_argument("--rounds", type=int, default=20, help="how often each kind of change happens in each (20)")
    parser.add_argument("--nodes", type=int, default=5_000)
    parser.add_argument("--services", type=int, default=2_000)
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=1_500,
                        help="sessions over connections of their own, with one manager (1500); 0 for none")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs: at least 1")
    print(f"{bench.machine()}, {options.nodes:,} sessions, {options.services:,} services, {options.tasks:,} tasks\n")
    measure_tables(options)
    if options.connections:
        measure_connections(options.connections)


def measure_tables(options):
    program = os.path.join(os.environ["MARTLET_BIN"], "martlet-bench")
    runs = []
    for turn in range(options.runs):
        command = [program, "sessions"]
        for name in ("rounds", "nodes", "services", "tasks"):
            command += [f"--{name}", str(getattr(options, name))]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"failed: {done.stderr.strip()}")
        runs.append(json.loads(done.stdout))
        say(f"run {turn + 1} is done")
    print("| change | hosts told | bytes to each | see | compare | write | receipts | together |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    rows = [("all sessions begin", [[one["first"]] for one in runs])]
    rows += [(text, [one[change] for one in runs]) for change, text in CHANGES.items()]
    for text, all_looks in rows:
        looks = [look for some in all_looks for look in some]
        hosts = statistics.median(look["hosts"] for look in looks)
        each = statistics.median(look["bytes"] / max(1, look["hosts"]) for look in looks)
        steps = [statistics.median(look[step] for look in looks) for step in STEPS]
        whole = [sum(look[step] for step in STEPS) for look in looks]
        cells = " | ".join(f"{1000 * step:,.1f} ms" for step in steps)
        print(f"| {text} | {hosts:,.0f} | {each:,.0f} | {cells} | {1000 * statistics.median(whole):,.1f} ms "
              f"({1000 * min(whole):,.1f} to {1000 * max(whole):,.1f}, {len(whole)} times) |")
    memory = [one["bytesPerSession"] for one in runs]
    print(f"\nMemory of a session: {statistics.median(memory):,.0f} bytes.")


class Crowd:
    """Hosts that are nothing but their sessions, in a process of their own, and what they say of themselves."""

    def __init__(self, cluster, count):
        self.count = count
        self.status = {"event": "none"}
        token = cluster.engine.get("/swarm")["JoinTokens"]["Worker"]
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.process = subprocess.Popen(
            ["prlimit", f"--nofile={min(4 * count + 1024, most)}:", MARTLET, "lab", "exec", "--lab", cluster.lab,
             "underlay", "--", os.path.join(BIN, "martlet-bench"), "crowd", cluster.addresses["h1"] + ":2377", token,
             "--count", str(count)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            status = json.loads(line)
            if status["event"] == "joined":
                self.joined = status["at"]
            self.status = status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def wait(self, what, condition, seconds):
        """What they say once the condition is true."""
        def holds():
            if self.process.poll() is not None:
                raise Failure(f"the hosts have ended: {self.process.returncode}")
            return self.status["event"] == "status" and condition(self.status)
        wait_for(what, holds, seconds, 0.1)
        return self.status

    def wait_served(self, seconds):
        return self.wait("all sessions", lambda status: status["served"] == self.count, seconds)

    def wait_networks(self, before):
        return self.wait(
            "another network at all hosts",
            lambda status: list(status["networks"].values()) == [self.count] and before not in status["networks"], 120)


def now():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Daemon:
    """What the manager's process has used."""

    def __init__(self):
        pids = run("pgrep", "-f", "martletd .*--name h1( |$)", check=False).split()
        pids = [pid for pid in pids if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "martletd"]
        if len(pids) != 1:
            raise Failure(f"{len(pids)} daemons")
        self.path = f"/proc/{pids[0]}"

    def seconds(self):
        with open(self.path + "/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def mebibytes(self):
        with open(self.path + "/status") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmRSS"))


REST_SECONDS = 20
NETWORKS = 5


def measure_connections(count):
    """One manager with real sessions."""
    rows = []
    with Cluster("martlet", hosts=["h1"], swarm=False) as cluster:
        cluster.engine.request(
            "POST", "/swarm/init", {"ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": cluster.addresses["h1"]})
        with Crowd(cluster, count) as crowd:
            crowd.wait("all hosts", lambda status: True, 60 + count * 0.1)
            status = crowd.wait_served(60 + count * 0.1)
            daemon = Daemon()
            rows.append(("all sessions begin", status["lastPicture"] - crowd.joined, status["bytes"], None))
            say("all sessions have begun")
            before = daemon.seconds()
            time.sleep(REST_SECONDS)
            rest = (daemon.seconds() - before) / REST_SECONDS
            memory = daemon.mebibytes()
            for number in range(NETWORKS):
                networks = next(iter(crowd.status["networks"]))
                begun, bytes_before, used = now(), crowd.status["bytes"], daemon.seconds()
                cluster.engine.request(
                    "POST", "/networks/create", {"Name": f"n{number}", "Driver": "overlay", "Attachable": True})
                status = crowd.wait_networks(networks)
                rows.append(("a network is created", status["lastPicture"] - begun, status["bytes"] - bytes_before,
                             daemon.seconds() - used))
            bytes_before = crowd.status["bytes"]
            run(MARTLET, "lab", "kill", "--lab", cluster.lab, "h1")
            crowd.wait("the loss of all sessions", lambda status: status["served"] == 0, 60)
            begun = now()
            run(MARTLET, "lab", "start", "--lab", cluster.lab, "h1")
            status = crowd.wait_served(60 + count * 0.1)
            rows.append(("the manager's host is killed and comes back", status["lastPicture"] - begun,
                         status["bytes"] - bytes_before, None))
    print(f"\n{count:,} sessions over connections of their own with one manager, at rest: {100 * rest:.0f} % of a "
          f"processor, {memory:,.0f} MiB in its daemon\n")
    print("| what | until all hosts know | bytes to each | processor in the daemon |")
    print("| --- | --- | --- | --- |")
    for what in dict.fromkeys(row[0] for row in rows):
        some = [row for row in rows if row[0] == what]
        times = [row[1] for row in some]
        spread = f" ({min(times):.2f} to {max(times):.2f}, {len(times)} times)" if len(times) > 1 else ""
        used = [row[3] for row in some if row[3] is not None]
        print(f"| {what} | {statistics.median(times):.2f} s{spread} | "
              f"{statistics.median(row[2] for row in some) / count:,.0f} | "
              f"{f'{statistics.median(used):.2f} s' if used else ''} |")


if __name__ == "__main__":
    main()
