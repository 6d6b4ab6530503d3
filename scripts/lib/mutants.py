#!/usr/bin/env python3
"""Plants one bug after the other into a copy of the consensus core and says which seed of martlet-sim finds it.

Started by scripts/mutants. A bug is a name and edits: a file, a text of it and what that is replaced by. One whose text
is not there any more is reported, so that the list follows the core.
"""
import argparse
import filecmp
import os
import re
import shutil
import subprocess
import sys
import time

COPY = ".build-mutants"
CORE = "Sources/RaftCore/"
SESSIONS = "Sources/SessionModel/"
# Name, and edits of a file each.
BUGS = [
    ("votes twice in a term",
     (CORE + "Raft+Election.swift",
      "let isFree = vote == message.from || vote == 0 && leader == 0 || isPreVote && message.term > term",
      "let isFree = true")),
    ("votes for a log behind its own",
     (CORE + "Raft+Election.swift",
      "let granted = isFree && log.isUpToDate(lastIndex: lastIndex, lastTerm: lastTerm)",
      "let granted = isFree")),
    ("forgets its vote in a crash",
     (CORE + "Raft.swift",
      "HardState(term: term, vote: vote, commit: log.committed)",
      "HardState(term: term, vote: 0, commit: log.committed)")),
    ("answers before it has written",
     (CORE + "Ready.swift",
      "if mayPrecede, message.term == hardState.term {",
      "if mayPrecede || message.from != 0 {")),
    ("commits entries of earlier terms by counting",
     (CORE + "Raft+Replication.swift",
      "guard role == .leader, reached > log.committed, log.term(at: reached) == term else { return false }",
      "guard role == .leader, reached > log.committed else { return false }")),
    ("needs the new majority alone during a joint change",
     (CORE + "Quorum.swift",
      "return outgoing.isEmpty ? new : min(new, Quorum.reached(outgoing.map(value)))",
      "return new")),
    ("applies what is proposed again",
     (CORE + "CommandRegister.swift",
      "guard id.sequence > client.floor, !client.applied.contains(id.sequence) else { return .repeated }",
      "")),
    ("takes half for a majority",
     (CORE + "Quorum.swift",
      "static func size(of count: Int) -> Int { count / 2 + 1 }",
      "static func size(of count: Int) -> Int { max(1, count / 2) }")),
    ("keeps entries that conflict with the leader's",
     (CORE + "RaftLog.swift",
      "if known == entry.term { continue }",
      "if known != 0 { continue }")),
    # A leader finds at once where logs agree, so that what follows there is replaced before anything is committed, and
    # the bug would show nowhere: a hint that is lower than it need be, which is no bug, brings it out.
    ("commits beyond where the logs agree",
     (CORE + "Raft+Replication.swift",
      "commitThrough(min(commit, last))",
      "commitThrough(min(commit, log.lastIndex))"),
     (CORE + "Raft+Replication.swift",
      "rejected: previousIndex, hint: hint.index,",
      "rejected: previousIndex, hint: hint.index > 3 ? hint.index - 3 : 0,")),
    ("commits by a heartbeat what may differ",
     (CORE + "Raft+Replication.swift",
      "let known = min(progress[other]?.matched ?? 0, log.committed)",
      "let known = log.committed")),
    ("reads without asking whether it still leads",
     (CORE + "Raft+Reads.swift",
      "latestMembership.electorate.reached { $0 == id ? reads.round : progress[$0]?.confirmedRead ?? 0 }",
      "reads.round")),
    ("reads before it knows what is committed",
     (CORE + "Raft+Reads.swift",
      "guard hasCommittedInTerm else {",
      "guard role == .leader else {")),
    ("keeps its lease when it hands over",
     (CORE + "Raft+Membership.swift",
      "        lease.giveUp()\n",
      "")),
    ("votes right after a start, whatever it confirmed before",
     (CORE + "Raft.swift",
      "silence = configuration.leaseMilliseconds > 0 ? 0 : configuration.electionTicks",
      "silence = configuration.electionTicks")),
    ("keeps its lease for too long",
     (CORE + "Raft+Reads.swift",
      "return time < begin + duration",
      "return time < begin + 8 * duration")),
    ("renews its lease without an answer",
     (CORE + "Raft+Reads.swift",
      "        rounds.append((round, time))\n",
      "        rounds.append((round, time))\n        begin = time\n")),
    ("changes members while a change is under way",
     (CORE + "Raft+Replication.swift",
      "guard log.committed >= lastChangeIndex else { throw .changePending }",
      "")),
    ("keeps its log under a snapshot",
     (CORE + "Raft+Replication.swift",
      "if log.term(at: snapshot.index) == snapshot.term {",
      "if log.term(at: snapshot.index) != nil {")),
    ("restores a snapshot that it is ahead of",
     (CORE + "Raft+Replication.swift",
      "if snapshot.index <= log.committed {",
      "if snapshot.index == 0 {")),
    ("takes for written what there was no room for",
     (CORE + "ReadyWork.swift",
      "retryTick = now + Self.retryTicks",
      "(retryTick, stage) = (now + Self.retryTicks, .install)")),
    ("applies what is not on its disk yet",
     (CORE + "Ready.swift",
      "unapplied.prefix { $0.index <= log.persisted }",
      "unapplied")),
    ("applies again what it had applied when there was no room",
     (CORE + "ReadyWork.swift",
      "retryTick = now + Self.retryTicks",
      "(retryTick, appliedIndex) = (now + Self.retryTicks, 0)")),
    ("does not notice that there is room again",
     (CORE + "ReadyWork.swift",
      "retryTick ?? 0 <= now",
      "retryTick == nil")),
    ("installs a snapshot without a look at its sum",
     (CORE + "SnapshotArrival.swift",
      "return checksum.value == expectedChecksum ? .whole : .damaged",
      "return .whole")),
    ("puts pieces of two snapshots together",
     (CORE + "SnapshotArrival.swift",
      "sender == self.sender && chunk.metadata == metadata && chunk.byteCount == byteCount",
      "chunk.byteCount != 0 || sender == self.sender"),
     (CORE + "SnapshotArrival.swift",
      "&& chunk.checksum == expectedChecksum",
      ""),
     (CORE + "SnapshotArrival.swift",
      "return checksum.value == expectedChecksum ? .whole : .damaged",
      "return .whole")),
    ("answers each answer with another message",
     (CORE + "Raft+Replication.swift",
      "} else if wasWaiting, !isWaiting {",
      "} else if wasWaiting || !isWaiting {")),
    ("keeps too little of a witness's log",
     (CORE + "WitnessTail.swift",
      "return mark",
      "return applied")),
    ("rests on managers that are dead",
     ("Sources/Orchestration/ManagerPlan.swift",
      "voters.count(where: \\.isHeard) > voters.count / 2",
      "voters.count(where: \\.isHeard) >= 0")),
    ("takes a host for current that was told something since",
     (SESSIONS + "Conversation.swift",
      "return receipt >= said.revision.index",
      "return receipt > 0 || receipt >= said.revision.index")),
    ("hears hosts and does not note it",
     (SESSIONS + "NodeLeases.swift",
      "if news.isHeard, state.isLast(news.session, of: news.nodeID) { lastHeard[news.nodeID] = now }",
      "")),
    ("raises the version over managers that are silent",
     ("Sources/ClusterModel/VersionRise.swift",
      "if stated.count == managers.count, let common",
      "if let common")),
]

# Shown by the first seed: what scripts/test has found.
QUICK = ("votes twice in a term", "answers before it has written", "reads without asking whether it still leads")


def synchronise():
    """Makes the copy like the sources; files that are alike stay as they are, so that nothing is built for them."""
    wanted = {"Package.swift", "Package.resolved"}
    for folder, _, files in os.walk("Sources"):
        wanted.update(os.path.join(folder, file) for file in files)
    for path in sorted(wanted):
        if not os.path.exists(path):
            continue
        target = os.path.join(COPY, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.exists(target) or not filecmp.cmp(path, target, shallow=False):
            shutil.copyfile(path, target)
    for folder, _, files in os.walk(os.path.join(COPY, "Sources")):
        for file in files:
            path = os.path.join(folder, file)
            if os.path.relpath(path, COPY) not in wanted:
                os.remove(path)
    os.makedirs(os.path.join(COPY, "Tests"), exist_ok=True)


def build():
    """What went wrong; empty where nothing did."""
    command = ["swift", "build", "--package-path", COPY, "--scratch-path", COPY + "/.build", "-c", "release"]
    environment = dict(os.environ, MARTLET_ONLY="SimulationKit,martlet-sim")
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    return result.stdout[-2000:] + result.stderr[-1000:] if result.returncode else ""


def simulate(seeds):
    """The seed that breaks a promise, what the simulator says of it, and the seconds; no seed where none does."""
    begin = time.monotonic()
    command = [COPY + "/.build/release/martlet-sim", "--count", str(seeds), "--until-broken", "--as-is"]
    result = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"seed (\d+): (?!fine)(.*)", result.stdout)
    seconds = time.monotonic() - begin
    if found:
        return int(found[1]), found[2], seconds
    if result.returncode == 0:
        return None, "", seconds
    # The core trapped: one seed at a time, those before the one are told.
    result = subprocess.run(command + ["--jobs", "1"], capture_output=True, text=True)
    return result.stdout.count(": fine,") + 1, "a trap", seconds


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def attempt(edits, seeds):
    """Whether a violation was found in the copy with these edits, and what there is to say."""
    originals = {}
    try:
        for path, text, replacement in edits:
            path = os.path.join(COPY, path)
            with open(path) as file:
                source = file.read()
            originals.setdefault(path, source)
            if text not in source:
                return False, f"its text is not in {path} any more"
            write(path, source.replace(text, replacement))
        errors = build()
        if errors:
            return False, f"does not build\n{errors}"
        seed, reason, seconds = simulate(seeds)
    finally:
        for path, source in originals.items():
            write(path, source)
    if seed is None:
        return False, f"not found by {seeds} seeds in {seconds:.0f} s"
    return True, f"seed {seed}, {seconds:.0f} s: {reason[:120]}"


def main():
    options = argparse.ArgumentParser(prog="scripts/mutants")
    options.add_argument("--seeds", type=int, default=200, help="how many are tried for each bug")
    options.add_argument("--only", default="", help="bugs whose name has this in it")
    options.add_argument("--quick", action="store_true", help="three that the first seeds show, and not the core itself")
    options.add_argument("--list", action="store_true", help="say what bugs there are")
    options = options.parse_args()
    if options.quick:
        options.seeds = 3
    bugs = [bug for bug in BUGS if options.only in bug[0] and (not options.quick or bug[0] in QUICK)]
    if options.list or not bugs:
        print("\n".join(bug[0] for bug in bugs or BUGS))
        sys.exit(0 if options.list else 2)
    synchronise()
    missed = 0
    for name, *edits in bugs:
        is_found, text = attempt(edits, options.seeds)
        missed += not is_found
        print(f"{name}: {text}", flush=True)
    print(f"{len(bugs) - missed} of {len(bugs)} bugs were found", flush=True)
    is_broken = False
    if not options.quick:
        is_broken, text = attempt([], options.seeds)
        print(f"the core as it is: {text}")
    sys.exit(1 if missed or is_broken else 0)


main()
