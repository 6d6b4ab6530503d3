#!/usr/bin/env python3
"""Plants one bug after the other into a copy of the consensus core and says which seed of martlet-sim finds it.

Started by scripts/mutants. A bug is a text of one file and what it is replaced by; one that is not there any more is
reported, so that the list follows the core.
"""
import argparse
import os
import re
import subprocess
import sys
import time

CORE = "Sources/RaftCore/"
# Name, file, text, replacement.
BUGS = [
    ("votes twice in a term", CORE + "Raft+Election.swift",
     "let isFree = vote == message.from || vote == 0 && leader == 0 || isPreVote && message.term > term",
     "let isFree = true"),
    ("votes for a log behind its own", CORE + "Raft+Election.swift",
     "let granted = isFree && log.isUpToDate(lastIndex: lastIndex, lastTerm: lastTerm)", "let granted = isFree"),
    ("forgets its vote in a crash", CORE + "Raft.swift",
     "HardState(term: term, vote: vote, commit: log.committed)", "HardState(term: term, vote: 0, commit: log.committed)"),
    ("answers before it has written", CORE + "Ready.swift",
     "if mayPrecede, message.term == hardState.term {", "if mayPrecede || message.from != 0 {"),
    ("commits entries of earlier terms by counting", CORE + "Raft+Replication.swift",
     "guard reached > log.committed, log.term(at: reached) == term else { break }",
     "guard reached > log.committed else { break }"),
    ("needs the new majority alone during a joint change", CORE + "Quorum.swift",
     "return outgoing.isEmpty ? new : min(new, Quorum.reached(outgoing.map(value)))", "return new"),
    ("applies what is proposed again", CORE + "CommandRegister.swift",
     "guard id.sequence > client.floor, !client.applied.contains(id.sequence) else { return .repeated }", ""),
    ("takes half for a majority", CORE + "Quorum.swift",
     "static func size(of count: Int) -> Int { count / 2 + 1 }",
     "static func size(of count: Int) -> Int { max(1, count / 2) }"),
    ("keeps entries that conflict with the leader's", CORE + "RaftLog.swift",
     "if known == entry.term { continue }", "if known != 0 { continue }"),
    ("commits beyond where the logs agree", CORE + "Raft+Replication.swift",
     "commitThrough(min(commit, last))", "commitThrough(min(commit, log.lastIndex))"),
    ("commits by a heartbeat what may differ", CORE + "Raft+Replication.swift",
     "let known = min(progress[other]?.matched ?? 0, log.committed)", "let known = log.committed"),
    ("reads without asking whether it still leads", CORE + "Raft+Reads.swift",
     "membership.electorate.reached { $0 == id ? reads.round : progress[$0]?.confirmedRead ?? 0 }", "reads.round"),
    ("reads before it knows what is committed", CORE + "Raft+Reads.swift",
     "guard hasCommittedInTerm else {", "guard role == .leader else {"),
    ("keeps its lease when it hands over", CORE + "Raft+Membership.swift", "        lease.giveUp()\n", ""),
    ("votes right after a start, whatever it confirmed before", CORE + "Raft.swift",
     "silence = configuration.leaseMilliseconds > 0 ? 0 : configuration.electionTicks",
     "silence = configuration.electionTicks"),
    ("keeps its lease for too long", CORE + "Raft+Reads.swift",
     "return time < begin + duration", "return time < begin + 8 * duration"),
    ("renews its lease without an answer", CORE + "Raft+Reads.swift",
     "        rounds.append((round, time))\n", "        rounds.append((round, time))\n        begin = time\n"),
    ("changes members while a change is under way", CORE + "Raft+Replication.swift",
     "guard log.committed >= lastChangeIndex else { throw .changePending }", ""),
    ("keeps its log under a snapshot", CORE + "Raft+Replication.swift",
     "if log.term(at: snapshot.index) == snapshot.term {", "if log.term(at: snapshot.index) != nil {"),
    ("restores a snapshot that it is ahead of", CORE + "Raft+Replication.swift",
     "        if snapshot.index <= log.committed {\n            return send(.appendAccepted(index: log.committed), to: sender)\n        }\n        if log.term(at: snapshot.index)",
     "        if log.term(at: snapshot.index)"),
]


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--copy", required=True, help="where the sources were copied to")
    options.add_argument("--seeds", type=int, default=200)
    options.add_argument("--only", default="")
    options = options.parse_args()
    environment = dict(os.environ, MARTLET_ONLY="SimulationKit,martlet-sim")
    build = ["swift", "build", "--package-path", options.copy, "--scratch-path", options.copy + "/.build", "-c", "release"]
    missed = []
    bugs = [bug for bug in BUGS if options.only in bug[0]]
    for name, path, text, replacement in bugs:
        path = os.path.join(options.copy, path)
        with open(path) as file:
            source = file.read()
        if source.count(text) < 1:
            print(f"{name}: the text is not in {path} any more")
            missed.append(name)
            continue
        with open(path, "w") as file:
            file.write(source.replace(text, replacement))
        result = subprocess.run(build, env=environment, capture_output=True, text=True)
        if result.returncode:
            print(f"{name}: does not build\n{result.stdout[-2000:]}{result.stderr[-1000:]}")
            missed.append(name)
        else:
            begin = time.monotonic()
            command = [options.copy + "/.build/release/martlet-sim", "--count", str(options.seeds), "--quiet",
                       "--until-broken", "--as-is"]
            result = subprocess.run(command, capture_output=True, text=True)
            seconds = time.monotonic() - begin
            found = re.search(r"seed (\d+): (.*)", result.stdout)
            if result.returncode == 1 and found:
                print(f"{name}: found by seed {found[1]} in {seconds:.1f} s: {found[2][:100]}")
            else:
                print(f"{name}: NOT FOUND by {options.seeds} seeds in {seconds:.1f} s {result.stderr[-300:]}")
                missed.append(name)
        sys.stdout.flush()
        with open(path, "w") as file:
            file.write(source)
    print(f"{len(bugs) - len(missed)} of {len(bugs)} bugs were found")
    sys.exit(1 if missed else 0)


main()
