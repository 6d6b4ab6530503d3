#!/usr/bin/env python3
"""Virtual machines that run managers lose their power under load, one or all at once; nothing acknowledged may be lost.

Started by scripts/chaos --vm. docs/architecture.md (Kernels) has what the program that runs the machines is to be.
"""
import argparse
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

MACHINES = 3
PROGRAMS = ["martletd", "martlet-net", "martlet-runtime", "martlet"]
# Seconds.
BOOT_LIMIT = 600
COMMAND_LIMIT = 180
AGREEMENT_LIMIT = 300

INSTALL = """set -e
mkdir -p /opt/martlet
cp /shared/* /opt/martlet/
cat >/etc/systemd/system/martletd.service <<'U'
[Unit]
Description=martletd
[Service]
Environment=MARTLET_ENTRIES_PER_SNAPSHOT=100
ExecStart=/opt/martlet/martletd --log-level info
Restart=always
RestartSec=1
KillMode=process
[Install]
WantedBy=multi-user.target
U
systemctl enable -q martletd
sync
systemctl start martletd
hostname -I | cut -d' ' -f1
"""

# Creates configs one after the other and removes every fourth; a line tells what each was answered.
LOAD = """#!/bin/sh
ask() { curl -s -m 20 -o /dev/null -w '%{http_code}' --unix-socket /run/martlet/martlet.sock "$@"; }
n=0
while :; do
  n=$((n + 1))
  body='{"Name":"'$1-$n'","Data":"eA=="}'
  code=$(ask -X POST -H 'Content-Type: application/json' -d "$body" http://martlet/configs/create)
  echo "create $1-$n $code"
  case $code in 201) ;; *) sleep 0.5; continue ;; esac
  if [ $((n % 4)) = 0 ]; then
    echo "removing $1-$n"
    echo "remove $1-$n $(ask -X DELETE http://martlet/configs/$1-$n)"
  fi
done
"""


class Machines:
    """The program that runs the machines."""

    def __init__(self, program):
        self.program = program

    def run(self, *words, limit=COMMAND_LIMIT, check=True, binary=False):
        # Machines are children that keep what they inherit open: output goes through files.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            done = subprocess.run([self.program, *map(str, words)], stdin=subprocess.DEVNULL, stdout=out, stderr=errors,
                                  timeout=limit, env=dict(os.environ, MEM=os.environ.get("MEM", "1024")))
            out.seek(0)
            errors.seek(0)
            output, said = out.read(), errors.read().decode(errors="replace")
        if check and done.returncode:
            raise SystemExit(f"{self.program} {words[0]} {words[1] if len(words) > 1 else ''}: "
                             f"{done.returncode} {said[-500:]} {output[-500:]!r}")
        return output if binary else output.decode(errors="replace")

    def ssh(self, machine, command, **options):
        return self.run("ssh", machine, command, **options)

    def api(self, machine, method, path, body=None, check=True):
        words = f"curl -sS -f -m 60 --unix-socket /run/martlet/martlet.sock -X {method} "
        if body is not None:
            words += f"-H 'Content-Type: application/json' -d '{json.dumps(body)}' "
        text = self.ssh(machine, words + f"http://martlet{path}", check=check)
        return json.loads(text) if text.strip() else None


class Loads:
    """A load on each machine, and what was asked for and answered."""

    def __init__(self, machines):
        self.machines = machines
        self.lock = threading.Lock()
        self.count = 0
        self.running = {}
        self.created, self.removing, self.removed, self.unknown = set(), set(), set(), 0

    def start(self, machine):
        self.count += 1
        process = subprocess.Popen(
            [self.machines.program, "ssh", str(machine), f"sh /opt/martlet/load m{machine}-{self.count}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            start_new_session=True)
        self.running[machine] = process
        threading.Thread(target=self.follow, args=(process,), daemon=True).start()

    def follow(self, process):
        for line in process.stdout:
            words = line.split()
            with self.lock:
                if words[:1] == ["removing"]:
                    self.removing.add(words[1])
                elif words[:1] == ["create"] and words[2:] == ["201"]:
                    self.created.add(words[1])
                elif words[:1] == ["remove"] and words[2:] == ["204"]:
                    self.removed.add(words[1])
                else:
                    self.unknown += 1

    def stop(self, machine):
        process = self.running.pop(machine, None)
        if process:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def acknowledged(self):
        with self.lock:
            return len(self.created) + len(self.removed)


def names(machines, machine):
    configs = machines.api(machine, "GET", "/configs", check=False)
    return None if configs is None else sorted(config["Spec"]["Name"] for config in configs)


def until(what, limit, body):
    deadline = time.monotonic() + limit
    while True:
        try:
            value = body()
        except (subprocess.TimeoutExpired, ValueError):
            value = None
        if value is not None:
            return value
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: not within {limit} s")
        time.sleep(1)


def everybody(body):
    """Runs body for every machine at once."""
    results = {}
    threads = [threading.Thread(target=lambda m=m: results.__setitem__(m, body(m))) for m in range(1, MACHINES + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(results) < MACHINES:
        raise SystemExit("a machine failed; see above")
    return results


def form(machines):
    addresses = everybody(lambda m: machines.ssh(m, INSTALL).split()[-1])
    for m in range(1, MACHINES + 1):
        until(f"machine {m} answers", AGREEMENT_LIMIT, lambda: machines.ssh(
            m, "curl -s -m 10 --unix-socket /run/martlet/martlet.sock http://martlet/_ping", check=False).strip() or None)
    listen = {"ListenAddr": "0.0.0.0:2377"}
    machines.api(1, "POST", "/swarm/init", dict(listen, AdvertiseAddr=addresses[1] + ":2377"))
    token = machines.api(1, "GET", "/swarm")["JoinTokens"]["Manager"]
    for m in range(2, MACHINES + 1):
        machines.api(m, "POST", "/swarm/join", dict(
            listen, AdvertiseAddr=addresses[m] + ":2377", RemoteAddrs=[addresses[1] + ":2377"], JoinToken=token))


def plan(rng, rounds):
    """Which machines lose their power, round by round: each so many times, a quarter of them all at once."""
    common = max(1, rounds // 4) if rounds > 1 else 0
    result = [tuple(range(1, MACHINES + 1))] * common
    for m in range(1, MACHINES + 1):
        result += [(m,)] * (rounds - common)
    rng.shuffle(result)
    return result


def damage(machines, programs):
    """What is not whole in the files of each machine, whose daemons are stopped."""
    found = []
    for m in range(1, MACHINES + 1):
        machines.ssh(m, "systemctl stop martletd")
        packed = machines.ssh(m, "tar -C /var/lib/martlet -cf - cluster engine.sqlite engine.sqlite-wal 2>/dev/null || :",
                              binary=True)
        with tempfile.TemporaryDirectory() as directory:
            with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
                archive.extractall(directory, filter="data")
            # It knows the keys that lie beside the databases.
            look = subprocess.run([os.path.join(programs, "martlet-chaos"), "--check", directory],
                                  capture_output=True, text=True, timeout=COMMAND_LIMIT)
            if look.returncode != 0:
                found.append(f"machine {m}: {(look.stdout + look.stderr).strip()[:600]}")
        said = machines.ssh(m, "journalctl -u martletd --no-pager | grep -E 'damaged|Fatal error|crashed' | head -3 || :")
        if said.strip():
            found.append(f"machine {m} wrote: {said.strip()[:600]}")
        # The start reads and checks every row of the log.
        machines.ssh(m, "systemctl start martletd")
    return found


def agreement(machines):
    def look():
        lists = [names(machines, m) for m in range(1, MACHINES + 1)]
        return lists[0] if None not in lists and all(one == lists[0] for one in lists) else None
    return set(until("the machines agree", AGREEMENT_LIMIT, look))


def lost(loads, there):
    with loads.lock:
        found = [f"{name} was acknowledged and is gone" for name in sorted(loads.created - loads.removing - there)]
        return found + [f"{name} was removed and is there" for name in sorted(loads.removed & there)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vm", required=True)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=20, help="how often each machine loses its power")
    parser.add_argument("--seconds", type=float, default=15, help="the longest load between two losses")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    machines = Machines(options.vm)
    begin = time.monotonic()

    def tell(text):
        print(f"{time.monotonic() - begin:.0f} s: {text}", flush=True)

    with tempfile.TemporaryDirectory(prefix="martlet-vm.", dir="/var/tmp") as shared:
        for program in PROGRAMS:
            shutil.copy(os.path.join(options.bin, program), shared)
            subprocess.run(["strip", os.path.join(shared, program)], check=False)
        with open(os.path.join(shared, "load"), "w") as file:
            file.write(LOAD)
        try:
            machines.run("up", MACHINES, shared, limit=BOOT_LIMIT)
            tell(f"{MACHINES} machines are up")
            form(machines)
            tell("they are managers of one cluster")
            violations = drive(machines, plan(rng, options.rounds), rng, options, tell)
        finally:
            machines.run("down", check=False)
    for violation in violations[:50]:
        print(f"VIOLATION: {violation}")
    print("every promise was kept" if not violations else f"{len(violations)} violations")
    sys.exit(1 if violations else 0)


def drive(machines, rounds, rng, options, tell):
    loads = Loads(machines)
    kills = dict.fromkeys(range(1, MACHINES + 1), 0)
    boots = []
    for m in kills:
        loads.start(m)
    try:
        for number, struck in enumerate(rounds, 1):
            before = loads.acknowledged()
            time.sleep(rng.uniform(2, max(2, options.seconds)))
            for m in struck:
                machines.run("kill", m)
                kills[m] += 1
            for m in struck:
                loads.stop(m)
            boot = time.monotonic()
            everybody(lambda m: machines.run("boot", m, limit=BOOT_LIMIT) if m in struck else "")
            boots.append(time.monotonic() - boot)
            for m in struck:
                until(f"machine {m} answers", AGREEMENT_LIMIT, lambda: names(machines, m))
                loads.start(m)
            tell(f"round {number} of {len(rounds)}: {' '.join(map(str, struck))} lost power; "
                 f"{loads.acknowledged() - before} changes acknowledged, {loads.unknown} without an answer so far; "
                 f"up again after {boots[-1]:.0f} s")
    finally:
        for m in kills:
            loads.stop(m)
    there = agreement(machines)
    violations = lost(loads, there) + damage(machines, options.bin)
    if agreement(machines) != there:
        violations.append("a start of all managers changed what there is")
    tell(f"power lost: {', '.join(f'machine {m} {count} times' for m, count in kills.items())}, "
         f"{sum(len(struck) == MACHINES for struck in rounds)} times all at once; {loads.acknowledged()} changes "
         f"acknowledged, {loads.unknown} without an answer")
    return violations


main()
