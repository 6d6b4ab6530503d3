#!/usr/bin/env python3
"""The measurements of scripts/bench runtime: Martlet beside crun, runc and Docker. Started by it, since it makes
the image. Martlet's and Docker's daemons stand on a lab's host each, without a swarm, and are asked in turn.
"""
import argparse
import collections
import concurrent.futures
import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import bench
from bench import BIN, HERE, Cluster, Failure, run, say, wait_for

UNIFIED = "/sys/fs/cgroup/unified"
PARALLEL = 64
IDLE = 50
# A row of the table. values, texts: by contender; share: at most this of the median of `against`; limit: at most this.
Row = collections.namedtuple("Row", "title target values texts against share limit")


def quantile(values, share):
    values = sorted(values)
    return values[round(share * (len(values) - 1))]


def spread(values, unit):
    """Median, with the tenth and the ninetieth percentile where there are enough values for them."""
    low, high, words = (0.1, 0.9, "p10 {}, p90 {}") if len(values) >= 10 else (0, 1, "{} to {}")
    bounds = words.format(*(f"{quantile(values, share):.2f}" for share in (low, high)))
    return f"{statistics.median(values):.2f} {unit} ({bounds}, {len(values)} runs)"


def row(title, target, values, unit, against, share=None, limit=None):
    """values: lists of measured values by contender; share: of the median of `against`; limit: in the unit."""
    texts = {name: spread(some, unit) if len(some) > 1 else f"{some[0]:.3f} {unit}" for name, some in values.items()}
    medians = {name: statistics.median(some) for name, some in values.items()}
    return Row(title, target, medians, texts, against, share, limit)


def failed(title, target, failure):
    return Row(title, target, {}, {"martlet": f"failed: {failure}"}, "", None, None)


# One bundle, without a daemon.

def measure_run(options, _):
    programs = {"martlet": os.path.join(BIN, "martlet-runtime"), "crun": shutil.which("crun"),
                "runc": shutil.which("runc")}
    with tempfile.TemporaryDirectory(prefix="martlet-bench-") as folder:
        measure = ["python3", os.path.join(HERE, "bench_bundle.py"), "--folder", folder, "--runs", str(options.runs)]
        measure += [f"{name}={program}" for name, program in programs.items() if program]
        # crun refuses v2 beside v1: v2 is taken out of the sight of all of them.
        hide = f'if mountpoint -q {UNIFIED}; then umount {UNIFIED}; fi; exec "$@"'
        result = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-ec", hide, "sh", *measure],
                                capture_output=True, text=True)
    if result.returncode != 0:
        raise Failure(result.stderr.strip())
    found = json.loads(result.stdout)
    times = {name: [1000 * seconds for seconds in of["times"]] for name, of in found.items()}
    peaks = {name: [kibibytes / 1024 for kibibytes in of["peaks"]] for name, of in found.items()}
    return [
        row("`run` of `/bin/true` on one bundle, no network traffic", "at most 0.6 of crun's", times, "ms",
            "crun", 0.6),
        row("the same: peak resident memory", "at most crun's", peaks, "MiB", "crun", 1)]


# Containers of a daemon, through its API.

def create(engine, command):
    return engine.request("POST", "/containers/create", {"Image": "busybox:latest", "Cmd": command})["Id"]


def start(engine, container):
    engine.request("POST", f"/containers/{container}/start", timeout=300)


def remove(engine, container):
    engine.request("DELETE", f"/containers/{container}?force=1", timeout=300)


def round_trip(engine):
    begun = time.monotonic()
    container = create(engine, ["true"])
    start(engine, container)
    status = engine.request("POST", f"/containers/{container}/wait")["StatusCode"]
    engine.request("DELETE", f"/containers/{container}")
    seconds = time.monotonic() - begun
    if status != 0:
        raise Failure(f"true ended with {status}")
    return seconds


@contextlib.contextmanager
def sleeping(engine, count):
    """Containers that sleep, once they are started; all are removed at the end."""
    containers = []
    try:
        for _ in range(count):
            containers.append(create(engine, ["sleep", "1000"]))
        yield containers
    finally:
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda container: remove(engine, container), containers))


def start_all(engine, containers):
    """Starts them in parallel; the seconds until all run."""
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(len(containers)) as threads:
        list(threads.map(lambda container: start(engine, container), containers))
    wait_for("all containers running", lambda: len(
        engine.get("/containers/json", status=["running"])) == len(containers), 120, 0.005)
    return time.monotonic() - begun


def measure_api(options, clusters):
    times = {kind: [] for kind in clusters}
    for turn in range(options.runs + 3):
        for kind, cluster in clusters.items():
            seconds = round_trip(cluster.engine)
            if turn >= 3:  # the first ones warm the caches
                times[kind].append(1000 * seconds)
    return [row("engine API: create, start, wait, remove of `true` on the bridge network", "at most 1/10 of Docker's",
                times, "ms", "docker", 1 / 10)]


def measure_parallel(options, clusters):
    times = {kind: [] for kind in clusters}
    for turn in range(max(3, options.runs // 10) + 1):
        for kind, cluster in clusters.items():
            with sleeping(cluster.engine, PARALLEL) as containers:
                seconds = start_all(cluster.engine, containers)
            if turn > 0:
                times[kind].append(seconds)
    return [row(f"{PARALLEL} containers on the bridge network started in parallel through the API, until all run",
                "at most 1/8 of Docker's", times, "s", "docker", 1 / 8)]


# Memory of the processes of a lab's host.

def proc(pid, name):
    with open(f"/proc/{pid}/{name}", "rb") as file:
        return file.read().decode(errors="replace")


def processes(cluster):
    """Command lines by process of the cluster's one host, without those in containers: these have PID namespaces."""
    namespaces, commands = {}, {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            namespaces[pid], commands[pid] = os.readlink(f"/proc/{pid}/ns/pid"), proc(pid, "cmdline").split("\0")
    title = f"martlet-lab-init {cluster.lab} {cluster.hosts[0]}"
    first = [pid for pid, command in commands.items() if " ".join(command).strip() == title]
    if len(first) != 1:
        raise Failure(f"{len(first)} processes named '{title}'")
    return {pid: commands[pid] for pid, namespace in namespaces.items() if namespace == namespaces[first[0]]}


def proportional(pids):
    """The sum of their proportional set sizes in MiB."""
    sizes = (re.search(r"^Pss: +(\d+) kB", proc(pid, "smaps_rollup"), re.M) for pid in pids)
    return sum(int(size.group(1)) for size in sizes if size) / 1024


def settled(cluster):
    """The daemon's processes and their size, once that changes by less than 1 % in 3 s."""
    last = [0]

    def steady():
        time.sleep(3)
        pids = set(processes(cluster))
        before, last[0] = last[0], proportional(pids)
        return abs(last[0] - before) < 0.01 * last[0]
    wait_for("a steady size", steady, 60)
    return set(processes(cluster)), last[0]


def overhead(cluster):
    """MiB a container: of the processes that came with them, and these with the growth of those before."""
    daemon, before = settled(cluster)
    with sleeping(cluster.engine, IDLE) as containers:
        start_all(cluster.engine, containers)
        now, after = settled(cluster)
        added = now - daemon
        commands = processes(cluster)
        kinds = collections.Counter(os.path.basename(commands[pid][0]) for pid in added)
        say(f"{cluster.kind}: with {IDLE} containers came {', '.join(f'{n} {name}' for name, n in kinds.items())}")
        return proportional(added) / IDLE, (after - before) / IDLE


def measure_idle(_, clusters):
    found = {kind: overhead(cluster) for kind, cluster in clusters.items()}
    title = f"idle container, {IDLE} running: proportional set size of"
    return [
        row(f"{title} the processes it adds (shim), its own program apart", "at most 1/10 of Docker's and 0.5 MiB",
            {kind: [shim] for kind, (shim, _) in found.items()}, "MiB", "docker", 1 / 10, 0.5),
        row(f"{title} these and the daemons' growth", "",
            {kind: [both] for kind, (_, both) in found.items()}, "MiB", "docker")]


# Name, function, whether daemons are needed for it. Daemons that already had containers would hide their growth: so
# it comes before the others that need them.
MEASUREMENTS = [
    ("run", measure_run, False), ("idle", measure_idle, True), ("api", measure_api, True),
    ("parallel", measure_parallel, True)]


def verdict(line):
    """The ratio to the peer and whether the target is reached, as the table's words."""
    ours, theirs = line.values.get("martlet"), line.values.get(line.against)
    ratio = f"{ours / theirs:.3f} of {line.against}'s" if ours is not None and theirs else ""
    if not line.target:
        return ratio, ""
    if ours is None or (line.limit is not None and ours > line.limit):
        return ratio, "no"
    if theirs is None:
        return ratio, "not compared"
    return ratio, "yes" if ours <= line.share * theirs else "no"


def versions():
    found = []
    for program in ("crun", "runc"):
        if shutil.which(program):
            found.append(re.sub(r" version", "", run(program, "--version").splitlines()[0]))
        else:
            print(f"{program} was not measured: it is not installed (Debian: apt-get install {program}).\n")
    if not shutil.which("dockerd"):
        print("Docker was not measured: no dockerd is installed (Debian: apt-get install docker.io).\n")
    return ", ".join(found)


def start_daemons(stack, clusters, images):
    for kind in ["martlet"] + (["docker"] if shutil.which("dockerd") else []):
        say(f"{kind}: one host")
        cluster = stack.enter_context(Cluster(kind, hosts=["h1"], swarm=False))
        cluster.load(images, "busybox.tar")
        clusters[kind] = cluster


def measured(chosen, options):
    rows = []
    with contextlib.ExitStack() as stack:
        clusters = {}
        for name, function, needs_daemons in chosen:
            say(name)
            try:
                if needs_daemons and not clusters:
                    start_daemons(stack, clusters, options.images)
                lines = function(options, clusters)
            except (Failure, OSError, subprocess.SubprocessError) as failure:
                lines = [failed(f"`{name}`", "to be measured", failure)]
            rows += lines
            for line in lines:
                say("; ".join(f"{kind} {text}" for kind, text in line.texts.items()))
    return rows


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/bench runtime", description="Measures Martlet's runtime beside crun, runc and Docker.")
    parser.add_argument("--images", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=int, default=50, help="of `run` and `api`; `parallel` makes a tenth of them")
    names = [name for name, _, _ in MEASUREMENTS]
    parser.add_argument("--only", default="", help=f"names separated by commas, of {', '.join(names)}")
    options = parser.parse_args()
    only = set(filter(None, options.only.split(",")))
    if only - set(names):
        parser.error(f"unknown: {', '.join(sorted(only - set(names)))}")
    if options.runs < 1:
        parser.error("--runs: at least 1")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # takes down what was made
    rows = measured([one for one in MEASUREMENTS if not only or one[0] in only], options)
    print(f"{', '.join(filter(None, [bench.machine(), versions()]))}\n")
    print("| what | to be reached | Martlet | crun | runc | Docker | ratio | reached |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for line in rows:
        texts = [line.texts.get(name, "") for name in ("martlet", "crun", "runc", "docker")]
        print(f"| {' | '.join([line.title, line.target, *texts, *verdict(line)])} |")
    size = os.path.getsize(os.path.join(BIN, "martlet-runtime")) / 1e6
    print(f"\nMartlet's binaries are those in {BIN} as they are (martlet-runtime: {size:.1f} MB); nothing was stripped."
          f"\n`run` was measured in one mount namespace in which {UNIFIED} was unmounted where it was there,"
          "\nsince crun refuses v2 beside v1.")
    sys.exit(1 if any(verdict(line)[1] == "no" for line in rows) else 0)


if __name__ == "__main__":
    main()
