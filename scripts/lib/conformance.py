"""Prints what a runtime, runc and crun did in each test of a suite, from their outputs as TAP. Exit status 1 if the
runtime does not pass a test that runc or crun passes.

    conformance.py RESULTS RUNC CRUN FILE...

RESULTS/runtime, RESULTS/RUNC and RESULTS/CRUN each hold FILE.tap.
"""
import collections
import pathlib
import re
import sys

# What says nothing of a runtime.
NOT_ASKED = [
    # They read the words of runc's own help, version and debug messages, which name its stages.
    r"help: ",
    r"version: ",
    r"debug: ",
    r"exec: runc --debug ",
    # It clones a repository from the network.
    r"spec: spec validator$",
    # runc 1.1 lets a container into the group of another and warns that later versions will not; Martlet refuses.
    r"cgroups: runc run/create should warn about a non-empty cgroup$",
]
LINE = re.compile(r"^(not )?ok\s+\d+(?:\s+-)?\s*(.*?)(?:\s*# (skip|todo)\b\s*(.*))?$", re.IGNORECASE)


def outcomes(path):
    """The outcome of each test in one output: passed, failed, skipped; the same name again is numbered."""
    found, seen, names = {}, collections.Counter(), path.stem
    text = path.read_text(errors="replace") if path.exists() else "# exit status none"
    for line in text.splitlines():
        match = LINE.match(line)
        if not match:
            continue
        failed, name, directive, reason = match.groups()
        name = name or reason or ""
        name = re.sub(r"/tmp/\S+|[0-9a-f]{8}-[0-9a-f-]{27}", "...", name).strip() or "(unnamed)"
        seen[name] += 1
        name = f"{names}: {name}" + (f" ({seen[name]})" if seen[name] > 1 else "")
        found[name] = "skipped" if directive else "failed" if failed else "passed"
    status = re.findall(r"# exit status (\S+)$", text, re.MULTILINE)[-1]
    plan = re.search(r"^1\.\.(\d+)", text, re.MULTILINE)
    whole = plan and int(plan[1]) == len(found) and status not in ("124", "137")
    # A program that ends with an error after its last test, or before its plan, has failed as a whole.
    broken = not whole or (status != "0" and "failed" not in found.values())
    found[f"{names}: (ends as it should)"] = "failed" if broken else "passed"
    return found


def main():
    results, runc, crun, *files = sys.argv[1:]
    columns = [("runtime", "runtime"), ("runc", runc), ("crun", crun)]
    table = {name: {} for name, _ in columns}
    for name, folder in columns:
        for file in files:
            table[name].update(outcomes(pathlib.Path(results, folder, file + ".tap")))
    tests = list(dict.fromkeys(test for name in ("runc", "crun", "runtime") for test in table[name]))
    width = max(len(test) for test in tests)
    print(f"{'test':{width}} runtime runc    crun")
    missing, not_asked = [], 0
    for test in tests:
        row = [table[name].get(test, "-") for name, _ in columns]
        print(f"{test:{width}} " + " ".join(f"{outcome:7}" for outcome in row).rstrip())
        if any(re.match(pattern, test) for pattern in NOT_ASKED):
            not_asked += 1
        elif row[0] != "passed" and "passed" in row[1:]:
            missing.append((test, row[0]))
    print()
    for name, _ in columns:
        count = collections.Counter(table[name].values())
        print(f"{name:8} {count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    print(f"not asked of the runtime, being of runc's own words: {not_asked}")
    if missing:
        print(f"\nruns with runc or crun, not with the runtime ({len(missing)}):")
        for test, outcome in missing:
            print(f"  {test}: {outcome}")
    return 1 if missing else 0


sys.exit(main())
