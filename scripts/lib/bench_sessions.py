#!/usr/bin/env python3
"""The measurements of scripts/bench sessions: what a manager does for many hosts' sessions. Started by it."""
import argparse
import json
import os
import statistics
import subprocess
import sys

import bench
from bench import say

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
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs: at least 1")
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
    print(f"{bench.machine()}, {options.nodes:,} sessions, {options.services:,} services, {options.tasks:,} tasks\n")
    print("| change | hosts told | bytes to each | see | compare | write | receipts | together |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    rows = [("all sessions begin", [[run["first"]] for run in runs])]
    rows += [(text, [run[change] for run in runs]) for change, text in CHANGES.items()]
    for text, all_looks in rows:
        looks = [look for some in all_looks for look in some]
        hosts = statistics.median(look["hosts"] for look in looks)
        each = statistics.median(look["bytes"] / max(1, look["hosts"]) for look in looks)
        steps = [statistics.median(look[step] for look in looks) for step in STEPS]
        whole = [sum(look[step] for step in STEPS) for look in looks]
        cells = " | ".join(f"{1000 * step:,.1f} ms" for step in steps)
        print(f"| {text} | {hosts:,.0f} | {each:,.0f} | {cells} | {1000 * statistics.median(whole):,.1f} ms "
              f"({1000 * min(whole):,.1f} to {1000 * max(whole):,.1f}, {len(whole)} times) |")
    memory = [run["bytesPerSession"] for run in runs]
    print(f"\nMemory of a session: {statistics.median(memory):,.0f} bytes.")


if __name__ == "__main__":
    main()
