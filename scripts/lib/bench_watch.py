#!/usr/bin/env python3
"""The measurements of scripts/bench watch: watches of a manager's store, by their number. Started by it."""
import argparse
import shutil
import statistics
import sys
import tempfile
import os

import bench
from bench import Failure, say
from bench_store import measure

PATTERNS = {"own": "each about a task of its own", "all": "all about every task"}


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/bench watch", description="Measures watches of a manager's store, by their number.")
    parser.add_argument("--images", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=int, default=3, help="of each measurement (3)")
    parser.add_argument("--watchers", default="1000,10000,100000", help="numbers separated by commas")
    parser.add_argument("--consumers", type=int, default=4, help="who take for all of them (4)")
    parser.add_argument("--directory", default="/var/tmp", help="where the files are made (/var/tmp)")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs: at least 1")
    found = {}
    for pattern in PATTERNS:
        for watchers in map(int, options.watchers.split(",")):
            # As many changes as take some seconds.
            changes = 100_000 if pattern == "own" else max(200, 20_000_000 // watchers)
            for turn in range(options.runs):
                work = tempfile.mkdtemp(prefix="martlet-bench-", dir=options.directory)
                try:
                    one = measure(
                        "watch", os.path.join(work, "state"), "--pattern", pattern, "--watchers", watchers,
                        "--consumers", options.consumers, "--changes", changes)
                except Failure as failure:
                    sys.exit(f"failed: {failure}")
                finally:
                    shutil.rmtree(work, ignore_errors=True)
                found.setdefault((pattern, watchers), []).append(one)
                say(f"{pattern}, {watchers} watches, run {turn + 1}: {one['deliveriesPerSecond']:,.0f} deliveries/s, "
                    f"{one['resynchronised']} resynchronised")
    print(f"{bench.machine()}\n")
    print("| watches | changes/s | deliveries/s | memory of a watch |\n| --- | --- | --- | --- |")
    for (pattern, watchers), runs in found.items():
        def text(values):
            return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f}, {len(values)} runs)"
        print(f"| {watchers:,}, {PATTERNS[pattern]} | {text([one['changes'] / one['seconds'] for one in runs])} | "
              f"{text([one['deliveriesPerSecond'] for one in runs])} | "
              f"{statistics.median([one['bytesPerWatcher'] for one in runs]):,.0f} bytes |")
    sys.exit(1 if any(one["resynchronised"] for runs in found.values() for one in runs) else 0)


if __name__ == "__main__":
    main()
