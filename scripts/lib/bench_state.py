#!/usr/bin/env python3
"""The measurements of scripts/bench state: Martlet's replicated state beside etcd's. Started by it.

Both stand on a lab's hosts, each in its own namespaces, their data on the same disk, every write on it before it is
acknowledged. Each round makes a cluster of each anew and asks its leader's HTTP API from the underlay, with wrk.
"""
import argparse
import base64
import collections
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time

import bench
from bench import HERE, MARTLET, Cluster, Failure, run, say, wait_for

CLIENTS = [64, 256]
WARM_UP_SECONDS = 2
# A row of the table. ours, theirs: values by round; is_reached takes their medians.
Row = collections.namedtuple("Row", "title target unit ours theirs is_reached")


class State(Cluster):
    """Three hosts with a program of the bench's own on each, whose HTTP API has a TCP port."""

    def __init__(self, kind):
        super().__init__(kind, swarm=False)
        self.logs = []

    def __enter__(self):
        super().__enter__()
        try:
            for host in self.hosts:
                run(MARTLET, "lab", "stop", "--lab", self.lab, host)
                self.daemons.append(self.start(host))
            self.form()
            self.leader = wait_for_value("a leader", self.find_leader, 30)
        except BaseException:
            self.__exit__()
            raise
        return self

    def on(self, host, *command, **options):
        return subprocess.Popen(
            [MARTLET, "lab", "exec", "--lab", self.lab, host, "--", *command], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)

    @property
    def url(self):
        return f"http://{self.addresses[self.leader]}:{self.port}"

    def ask(self, host, path, body, timeout=5):
        """A JSON answer of a host, asked from the underlay."""
        text = run(
            MARTLET, "lab", "exec", "--lab", self.lab, "underlay", "--", "curl", "-sS", "-f", "-m", str(timeout),
            "-H", "Content-Type: application/json", *(["-d", json.dumps(body)] if body is not None else []),
            f"http://{self.addresses[host]}:{self.port}{path}")
        return json.loads(text) if text.strip() else None

    def load(self, what, clients, seconds, tag):
        """wrk's report."""
        output = run(
            MARTLET, "lab", "exec", "--lab", self.lab, "underlay", "--", "wrk", "-t1", f"-c{clients}",
            f"-d{seconds}s", "--timeout", "10s", "-s", os.path.join(HERE, "state.lua"), self.url, "--",
            f"{self.kind}-{what}", tag)
        report = json.loads(output.splitlines()[-1])
        if report["refused"] or report["failed"] or not report["answers"]:
            raise Failure(f"{self.kind}: {report['refused']} refused, {report['failed']} failed of {report['answers']}")
        return report


class MartletState(State):
    port = 2375

    def __init__(self):
        super().__init__("martlet")

    def start(self, host):
        return self.on(
            host, "/run/lab/bin/martletd", "--name", host, "--log-level", "warning", "--host",
            f"unix:///run/martlet/{os.path.basename(self.sockets[host])}", "--host", f"tcp://0.0.0.0:{self.port}")

    def form(self):
        for host in self.hosts:
            wait_for(f"martletd on {host}", lambda: self.answers(host), 30)
        self.form_docker_swarm()

    def find_leader(self):
        return bench.leader(self)[0]

    def prepare(self, tag):
        self.ask(self.leader, "/v1.51/configs/create", {"Name": tag, "Data": base64_text("A" * 512)})


class EtcdState(State):
    port = 2379

    def __init__(self):
        super().__init__("etcd")

    def start(self, host):
        peers = ",".join(f"{name}=http://{address}:2380" for name, address in self.addresses.items())
        address = self.addresses[host]
        return self.on(
            host, "etcd", "--name", host, "--data-dir", "/var/lib/martlet/etcd", "--listen-client-urls",
            f"http://0.0.0.0:{self.port}", "--advertise-client-urls", f"http://{address}:{self.port}",
            "--listen-peer-urls", f"http://{address}:2380", "--initial-advertise-peer-urls", f"http://{address}:2380",
            "--initial-cluster", peers, "--initial-cluster-state", "new", "--logger", "zap", "--log-level", "error")

    def form(self):
        pass

    def find_leader(self):
        for host in self.hosts:
            with contextlib.suppress(Failure):
                status = self.ask(host, "/v3/maintenance/status", {})
                if status.get("leader") == status["header"]["member_id"]:
                    return host
        return None

    def prepare(self, tag):
        encoded = base64_text(tag)
        self.ask(self.leader, "/v3/kv/put", {"key": encoded, "value": base64_text("A" * 512)})


def base64_text(text):
    return base64.b64encode(text.encode()).decode()


def wait_for_value(what, ask, seconds):
    found = []

    def is_there():
        value = ask()
        if value is not None:
            found.append(value)
        return value is not None
    wait_for(what, is_there, seconds, 0.1)
    return found[0]


# Writes and reads.

def measure_rates(options, chosen):
    """Rows for what is chosen of `writes` and `reads`, measured in turn."""
    reports = collections.defaultdict(list)
    kinds = [MartletState] + ([EtcdState] if shutil.which("etcd") else [])
    for turn in range(options.runs):
        for kind in kinds if turn % 2 == 0 else reversed(kinds):
            with kind() as cluster:
                cluster.prepare("read")
                for what in chosen:
                    for clients in CLIENTS:
                        tag = f"{what}{clients}" if what == "write" else "read"
                        cluster.load(what, clients, WARM_UP_SECONDS, f"warm-{tag}" if what == "write" else tag)
                        report = cluster.load(what, clients, options.seconds, tag)
                        reports[cluster.kind, what, clients].append(report)
                        say(f"round {turn + 1}: {cluster.kind}: {what}s with {clients} clients: "
                            f"{report['answers'] / report['seconds']:.0f}/s, p50 {report['p50_ms']:.2f} ms, "
                            f"p99 {report['p99_ms']:.2f} ms")
    rows = []
    for what in chosen:
        for clients in CLIENTS:
            ours, theirs = ([report for report in reports[kind, what, clients]] for kind in ("martlet", "etcd"))
            title = f"{'writes' if what == 'write' else 'linearizable reads'}, {clients} clients"
            rate = lambda found: [report["answers"] / report["seconds"] for report in found]
            time_of = lambda found, key: [report[key] for report in found]
            rows.append(Row(
                f"{title}: per second", "at least 2 times etcd's", "/s", rate(ours), rate(theirs),
                lambda ours, theirs: theirs is None or ours >= 2 * theirs))
            rows.append(Row(
                f"{title}: p50", "", "ms", time_of(ours, "p50_ms"), time_of(theirs, "p50_ms"), None))
            rows.append(Row(
                f"{title}: p99", "at most half of etcd's" if what == "write" else "", "ms", time_of(ours, "p99_ms"),
                time_of(theirs, "p99_ms"),
                (lambda ours, theirs: theirs is None or ours <= theirs / 2) if what == "write" else None))
    return rows


# The leader's death.

def measure_leader(options, _):
    hosts = [f"h{number}" for number in range(1, 6)]
    times = []
    with Cluster("martlet", hosts=hosts) as cluster:
        for turn in range(options.kills):
            wait_for("five ready managers", lambda: is_whole(cluster), 90, 0.1)
            name, _ = bench.leader(cluster)
            survivors = [host for host in hosts if host != name]
            cluster.entry = survivors[turn % len(survivors)]
            begun = time.monotonic()
            run(MARTLET, "lab", "kill", "--lab", cluster.lab, name)
            attempts = 0

            def written():
                nonlocal attempts
                attempts += 1
                with contextlib.suppress(Failure):
                    cluster.engine.request(
                        "POST", "/configs/create", {"Name": f"write{turn}-{attempts}", "Data": "QQ=="}, timeout=30)
                    return True
                return False
            wait_for("a write", written, 60, 0.005)
            times.append(time.monotonic() - begun)
            say(f"kill {turn + 1}: {times[-1]:.3f} s, attempt {attempts}")
            run(MARTLET, "lab", "start", "--lab", cluster.lab, name)
    return [
        Row("leader of five managers killed: next write accepted", "median at most 1 s", "s", times, [],
            lambda ours, _: ours <= 1),
        Row("the same: the worst", "at most 3 s", "s", [max(times)], [], lambda ours, _: ours <= 3)]


def is_whole(cluster):
    with contextlib.suppress(Failure):
        nodes = cluster.engine.get("/nodes")
        return sum(node["Status"]["State"] == "ready" and
                   node.get("ManagerStatus", {}).get("Reachability") == "reachable" for node in nodes) == 5
    return False


# The table.

def text(values, unit):
    if not values:
        return ""
    digits = 0 if unit == "/s" else 3 if unit == "s" else 2
    median = statistics.median(values)
    spread = (f" ({min(values):,.{digits}f} to {max(values):,.{digits}f}, {len(values)} runs)" if len(values) > 1
              else "")
    return f"{median:,.{digits}f}{'' if unit.startswith('/') else ' '}{unit}{spread}"


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/bench state", description="Measures Martlet's replicated state, and etcd's beside it.")
    parser.add_argument("--images", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=int, default=5, help="rounds of `write` and `read` (5)")
    parser.add_argument("--seconds", type=int, default=10, help="how long each of them is measured (10)")
    parser.add_argument("--kills", type=int, default=10, help="of leaders (10)")
    parser.add_argument("--only", default="", help="names separated by commas, of write, read, leader")
    options = parser.parse_args()
    names = ["write", "read", "leader"]
    only = set(filter(None, options.only.split(",")))
    if only - set(names):
        parser.error(f"unknown: {', '.join(sorted(only - set(names)))}")
    if min(options.runs, options.seconds, options.kills) < 1:
        parser.error("--runs, --seconds and --kills: at least 1")
    if not shutil.which("wrk"):
        parser.error("wrk is not installed (Debian: apt-get install wrk)")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # takes down what was made
    chosen = [name for name in names if not only or name in only]
    rows = []
    failures = []
    rates = [name for name in chosen if name != "leader"]
    for function, what in ([(measure_rates, rates)] if rates else []) + (
            [(measure_leader, None)] if "leader" in chosen else []):
        try:
            rows += function(options, what)
        except (Failure, OSError, subprocess.SubprocessError) as failure:
            failures.append(str(failure))
    etcd = ""
    if shutil.which("etcd"):
        etcd = f", etcd {run('etcd', '--version').split()[2]}"
    print(f"{bench.machine()}{etcd}\n")
    print("| what | to be reached | Martlet | etcd | ratio | reached |\n| --- | --- | --- | --- | --- | --- |")
    missed = bool(failures)
    for row in rows:
        ours = statistics.median(row.ours)
        theirs = statistics.median(row.theirs) if row.theirs else None
        reached = "" if row.is_reached is None else "yes" if row.is_reached(ours, theirs) else "no"
        if reached == "yes" and "etcd" in row.target and theirs is None:
            reached = "not compared"
        missed = missed or reached == "no"
        ratio = f"{ours / theirs:.2f}" if theirs else ""
        print(f"| {row.title} | {row.target} | {text(row.ours, row.unit)} | {text(row.theirs, row.unit)} | {ratio} | "
              f"{reached} |")
    for failure in failures:
        print(f"\nfailed: {failure}")
    if not etcd:
        print("\netcd was not measured: it is not installed (Debian: apt-get install etcd-server).")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
