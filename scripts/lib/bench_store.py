#!/usr/bin/env python3
"""The measurements of scripts/bench store: a manager's store with a large state. Started by it.

martlet-bench does the work, each step in a process of its own, on files in a directory beside the images.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

import bench
from bench import BIN, Failure, say

PROGRAM = os.path.join(BIN, "martlet-bench")


def measure(*arguments):
    """What a step has found."""
    done = subprocess.run([PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failure(f"{' '.join(map(str, arguments))}: exit status {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/bench store", description="Measures a manager's store with a large state.")
    parser.add_argument("--images", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=int, default=3, help="of each measurement (3)")
    parser.add_argument("--seconds", type=int, default=10, help="of writes without a snapshot, in each run (10)")
    parser.add_argument("--writers", type=int, default=8, help="at once (8)")
    parser.add_argument("--nodes", type=int, default=5_000, help="(5000)")
    parser.add_argument("--services", type=int, default=2_000, help="(2000)")
    parser.add_argument("--tasks", type=int, default=150_000, help="(150000)")
    parser.add_argument("--directory", default="/var/tmp", help="where the files are made (/var/tmp)")
    options = parser.parse_args()
    if min(options.runs, options.seconds, options.writers) < 1:
        parser.error("--runs, --seconds and --writers: at least 1")
    work = tempfile.mkdtemp(prefix="martlet-bench-", dir=options.directory)
    try:
        state, copy, restored = (os.path.join(work, name) for name in ("state", "copy", "restored"))
        made = measure("store-make", state, "--nodes", options.nodes, "--services", options.services, "--tasks",
                       options.tasks)
        say(f"the state was made in {made['seconds']:.0f} s")
        starts, snapshots, restores = [], [], []
        for turn in range(options.runs):
            starts.append(measure("store-start", state))
            say(f"start {turn + 1}: {starts[-1]['seconds']:.2f} s")
            if os.path.exists(copy):
                os.remove(copy)
            snapshots.append(measure(
                "store-snapshot", state, copy, "--seconds", options.seconds, "--writers", options.writers))
            say(f"snapshot {turn + 1}: {snapshots[-1]['seconds']:.2f} s, worst write "
                f"{snapshots[-1]['during']['worst']:.1f} ms, without {snapshots[-1]['without']['worst']:.1f} ms")
            shutil.rmtree(restored, ignore_errors=True)
            restores.append(measure("store-restore", restored, copy))
            say(f"restore {turn + 1}: {restores[-1]['seconds']:.2f} s")
    except Failure as failure:
        sys.exit(f"failed: {failure}")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"{bench.machine()}\n")
    print("| what | to be reached | measured | reached |\n| --- | --- | --- | --- |")
    missed = False

    def row(title, target, values, unit, is_reached=None, digits=2):
        nonlocal missed
        middle = statistics.median(values)
        spread = f" ({min(values):,.{digits}f} to {max(values):,.{digits}f}, {len(values)} runs)"
        reached = "" if is_reached is None else "yes" if is_reached(middle) else "no"
        missed = missed or reached == "no"
        print(f"| {title} | {target} | {middle:,.{digits}f} {unit}{spread} | {reached} |")

    def megabytes(found, name):
        return [one[name] / 1e6 for one in found]
    row("start until the group takes writes", "at most 10 s", [one["seconds"] for one in starts], "s",
        lambda value: value <= 10)
    row("the same: processor time", "", [one["processorSeconds"] for one in starts], "s")
    row("resident memory afterwards", "at most 1,000 MB", megabytes(starts, "residentBytes"), "MB",
        lambda value: value <= 1000, 0)
    row("the same: its peak", "at most 1,000 MB", megabytes(starts, "peakBytes"), "MB", lambda value: value <= 1000, 0)
    row(f"snapshot of {snapshots[0]['bytes'] / 1e6:,.0f} MB under {options.writers} writers", "",
        [one["seconds"] for one in snapshots], "s")
    row("the longest `apply` meanwhile", "at most 20 ms", [one["during"]["apply"] for one in snapshots], "ms",
        lambda value: value <= 20, 1)
    row("the same without a snapshot", "", [one["without"]["apply"] for one in snapshots], "ms", None, 1)
    row("the longest write meanwhile, fsync included", "", [one["during"]["worst"] for one in snapshots], "ms", None, 1)
    row("the same without a snapshot", "", [one["without"]["worst"] for one in snapshots], "ms", None, 1)
    row("p99 of writes meanwhile", "", [one["during"]["p99"] for one in snapshots], "ms", None, 1)
    row("the same without a snapshot", "", [one["without"]["p99"] for one in snapshots], "ms", None, 1)
    row("restore until the group takes writes", "", [one["seconds"] for one in restores], "s")
    row("peak memory of a restore", "at most 1,000 MB", megabytes(restores, "peakBytes"), "MB",
        lambda value: value <= 1000, 0)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
