#!/usr/bin/env python3
"""The measurements of scripts/bench, on labs of three hosts. Started by it, since it makes the images.

Docker is measured in labs too: the same hosts, with dockerd in martletd's place.
"""
import argparse
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BIN = os.environ["MARTLET_BIN"]
MARTLET = os.path.join(BIN, "martlet")
HERE = os.path.dirname(os.path.abspath(__file__))
HOSTS = ["h1", "h2", "h3"]
REPLICAS = 6
REQUESTS = 10_000
RATE = 200
HEALTH = {"Test": ["CMD-SHELL", "wget -q -O /dev/null http://127.0.0.1:8080/cgi-bin/hello"],
          "Interval": 1_000_000_000, "Retries": 3}


class Failure(Exception):
    pass


def say(text):
    print(f"-- {text}", file=sys.stderr, flush=True)


def run(*command, check=True, **options):
    result = subprocess.run(command, capture_output=True, text=True, **options)
    if check and result.returncode != 0:
        raise Failure(f"{' '.join(command)}: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout


def wait_for(what, condition, seconds, pause=0.02):
    """Waits until condition() is true and returns how long that took."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > seconds:
            raise Failure(f"{what}: not within {seconds} s")
        time.sleep(pause)
    return time.monotonic() - begun


class Engine:
    """Docker's Engine API on a Unix socket."""

    def __init__(self, path):
        self.path = path

    def request(self, method, path, body=None, timeout=60):
        connection = http.client.HTTPConnection("engine", timeout=timeout)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(timeout)
        try:
            connection.sock.connect(self.path)
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, "/v1.41" + path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Failure(f"{method} {path}: {error}") from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise Failure(f"{method} {path}: {answer.status} {text.decode(errors='replace').strip()}")
        return json.loads(text) if text.strip().startswith((b"{", b"[")) else None

    def get(self, path, **filters):
        if filters:
            path += "?filters=" + json.dumps({key.replace("_", "-"): value for key, value in filters.items()}).replace(
                " ", "")
            path = path.replace('"', "%22").replace("{", "%7B").replace("}", "%7D").replace("[", "%5B").replace(
                "]", "%5D")
        return self.request("GET", path)


class Cluster:
    """Hosts of Martlet or of Docker: three with a swarm unless told otherwise."""

    def __init__(self, kind, hosts=HOSTS, swarm=True):
        self.kind = kind
        self.hosts = hosts
        self.swarm = swarm
        self.lab = f"bench-{kind}"
        self.daemons = []

    def __enter__(self):
        run(MARTLET, "lab", "down", self.lab, check=False)
        configuration = tempfile.NamedTemporaryFile("w", suffix=".yml")
        configuration.write(f"name: {self.lab}\nhosts: [{', '.join('{name: ' + host + '}' for host in self.hosts)}]\n")
        configuration.flush()
        options = ["--no-swarm"] if self.kind == "docker" or not self.swarm else []
        run(MARTLET, "lab", "up", "-f", configuration.name, *options)
        try:
            rows = run(MARTLET, "lab", "ls", "--lab", self.lab, "--format", "{{.Name}} {{.Address}} {{.Socket}}")
            rows = [row.split() for row in rows.splitlines()]
            self.addresses = {name: address for name, address, _ in rows}
            self.sockets = {name: path for name, _, path in rows}
            if self.kind == "docker":
                self.start_docker()
            self.engines = {name: Engine(path) for name, path in self.sockets.items()}
            if self.kind == "docker" and self.swarm:
                self.form_docker_swarm()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        run(MARTLET, "lab", "down", self.lab, check=False)
        for daemon in self.daemons:
            daemon.wait()

    def start_docker(self):
        for name in self.hosts:
            run(MARTLET, "lab", "stop", "--lab", self.lab, name)
            self.sockets[name] = os.path.join(os.path.dirname(self.sockets[name]), "docker.sock")
            self.daemons.append(self.docker(name))
        for name in self.hosts:
            wait_for(f"dockerd on {name}", lambda: self.answers(name), 60)

    def docker(self, name):
        return subprocess.Popen(
            [MARTLET, "lab", "exec", "--lab", self.lab, name, "--", "dockerd", "--data-root",
             "/var/lib/martlet/docker", "--exec-root", "/run/docker", "--pidfile", "/run/docker.pid", "-H",
             "unix:///run/martlet/docker.sock"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers(self, name):
        try:
            Engine(self.sockets[name]).request("GET", "/version", timeout=2)
            return True
        except Failure:
            return False

    def form_docker_swarm(self):
        first = self.engines["h1"]
        first.request("POST", "/swarm/init", {
            "ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": self.addresses["h1"]})
        token = first.get("/swarm")["JoinTokens"]["Manager"]
        for name in HOSTS[1:]:
            self.engines[name].request("POST", "/swarm/join", {
                "ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": self.addresses[name],
                "RemoteAddrs": [self.addresses["h1"] + ":2377"], "JoinToken": token})
        self.wait_for_nodes()

    def wait_for_nodes(self):
        def ready():
            with contextlib.suppress(Failure):
                nodes = self.engine.get("/nodes")
                return sum(node["Status"]["State"] == "ready" and
                           node.get("ManagerStatus", {}).get("Reachability") == "reachable" for node in nodes) == 3
        wait_for("three ready managers", ready, 90, 0.1)

    @property
    def engine(self):
        return self.engines[getattr(self, "entry", "h1")]

    def load(self, images, *names):
        for name in names:
            path = os.path.join(images, name)
            for host in self.hosts:
                with open(path, "rb") as file:
                    subprocess.run(
                        ["curl", "-fsS", "-o", "/dev/null", "--unix-socket", self.sockets[host], "-H",
                         "Content-Type: application/x-tar", "-H", "Expect:", "-T", "-", "-X", "POST",
                         "http://engine/v1.41/images/load"],
                        stdin=file, check=True)

    def create(self, name, image, command, replicas, **more):
        specification = {
            "Name": name,
            "TaskTemplate": {
                "ContainerSpec": {"Image": image, "Command": command, "StopGracePeriod": 5_000_000_000,
                                  **more.pop("container", {})},
                "RestartPolicy": {"Condition": "any", "Delay": 1_000_000_000}},
            "Mode": {"Replicated": {"Replicas": replicas}}, **more}
        return self.engine.request("POST", "/services/create", specification)["ID"]

    def running(self, service):
        with contextlib.suppress(Failure):
            tasks = self.engine.get("/tasks", service=[service], desired_state=["running"])
            return [task for task in tasks if task["Status"]["State"] == "running"]
        return []

    def remove(self, service):
        self.engine.request("DELETE", f"/services/{service}")
        def gone():
            with contextlib.suppress(Failure):
                return not any(
                    engine.get("/containers/json", label=[f"com.docker.swarm.service.id={service}"])
                    for engine in self.engines.values())
        wait_for("all containers of the service gone", gone, 90, 0.05)

    def update(self, service, image):
        for _ in range(20):
            current = self.engine.request("GET", f"/services/{service}")
            specification = current["Spec"]
            specification["TaskTemplate"]["ContainerSpec"]["Image"] = image
            try:
                self.engine.request(
                    "POST", f"/services/{service}/update?version={current['Version']['Index']}", specification)
                return
            except Failure as failure:
                if "out of sequence" not in str(failure):
                    raise
        raise Failure("the service changes all the time")

    def updated(self, service):
        with contextlib.suppress(Failure):
            state = self.engine.request("GET", f"/services/{service}").get("UpdateStatus", {}).get("State")
            if state in ("paused", "rollback_completed", "rollback_paused"):
                raise RuntimeError(f"the update ended as {state}")
            return state == "completed"
        return False


def figure(values, unit):
    """Median and spread."""
    values = sorted(values)
    median = statistics.median(values)
    digits = 3 if median < 1 else 2
    spread = f" ({values[0]:.{digits}f} to {values[-1]:.{digits}f}, {len(values)} runs)" if len(values) > 1 else ""
    return f"{median:.{digits}f} {unit}{spread}", median


def web_service(cluster):
    return cluster.create(
        "hello", "hello:v1", None, REPLICAS, container={"Healthcheck": HEALTH},
        UpdateConfig={"Parallelism": 2, "Delay": 1_000_000_000, "Order": "start-first", "Monitor": 1_000_000_000},
        EndpointSpec={"Ports": [{"Protocol": "tcp", "TargetPort": 8080, "PublishedPort": 8080}]})


def under_load(cluster, service, meanwhile):
    """Updates the service back and forth under load until enough requests were made; the load's report."""
    load = subprocess.Popen(
        [MARTLET, "lab", "exec", "--lab", cluster.lab, "underlay", "--", "python3", os.path.join(HERE, "load.py"),
         "--rate", str(RATE), "--port", "8080", "--path", "/cgi-bin/hello", "--json", *cluster.addresses.values()],
        stdout=subprocess.PIPE, text=True)
    begun = time.monotonic()
    updates = 0
    try:
        time.sleep(1)
        while updates == 0 or (time.monotonic() - begun) * RATE < REQUESTS * 1.02:
            updates += 1
            cluster.update(service, f"hello:v{1 + updates % 2}")
            meanwhile(updates)
            wait_for("the update", lambda: cluster.updated(service), 120, 0.1)
    finally:
        load.send_signal(signal.SIGINT)
        output = load.communicate(timeout=60)[0]
    report = json.loads(output)
    text = f"{report['failed']} failed of {report['requests']} ({updates} updates; p99 {report['p99_ms']} ms)"
    for failure, count in report["failures"].items():
        say(f"{count} x {failure}")
    return text, report["failed"]


def measure_update(cluster, _):
    service = web_service(cluster)
    wait_for("all replicas", lambda: len(cluster.running(service)) == REPLICAS, 60)
    try:
        return under_load(cluster, service, lambda _: None)
    finally:
        cluster.remove(service)


def measure_update_kills(cluster, _):
    service = web_service(cluster)
    wait_for("all replicas", lambda: len(cluster.running(service)) == REPLICAS, 60)

    def restart(turn):
        host = HOSTS[turn % 3]
        cluster.entry = HOSTS[(turn + 1) % 3]
        run(MARTLET, "lab", "stop", "--lab", cluster.lab, "--kill", host)
        run(MARTLET, "lab", "start", "--lab", cluster.lab, host)
    try:
        return under_load(cluster, service, restart)
    finally:
        cluster.entry = "h1"
        cluster.remove(service)


def measure_create(cluster, runs):
    times = []
    for _ in range(runs):
        begun = time.monotonic()
        service = cluster.create("thirty", "busybox:latest", ["sleep", "100000"], 30)
        wait_for("30 tasks", lambda: len(cluster.running(service)) == 30, 180)
        times.append(time.monotonic() - begun)
        cluster.remove(service)
    return figure(times, "s")


def restart_host(cluster, host):
    run(MARTLET, "lab", "start", "--lab", cluster.lab, host)
    if cluster.kind == "docker":
        run(MARTLET, "lab", "stop", "--lab", cluster.lab, host)
        cluster.daemons.append(cluster.docker(host))
    cluster.wait_for_nodes()


def leader(cluster):
    for node in cluster.engine.get("/nodes"):
        if node.get("ManagerStatus", {}).get("Leader"):
            return node["Description"]["Hostname"], node["ID"]
    raise Failure("no leader")


def measure_host_killed(cluster, runs):
    def survivor():
        # A task with a health check counts as running once it is healthy.
        service = cluster.create("survivor", "hello:v1", None, REPLICAS, container={"Healthcheck": HEALTH})
        wait_for("all replicas", lambda: len(cluster.running(service)) == REPLICAS, 60)
        return service

    service = survivor()
    times = []
    for turn in range(runs):
        wait_for("all replicas", lambda: len(cluster.running(service)) == REPLICAS, 60)
        name, _ = leader(cluster)
        host = [other for other in HOSTS if other != name][turn % 2]
        cluster.entry = name
        node = next(node["ID"] for node in cluster.engine.get("/nodes") if node["Description"]["Hostname"] == host)
        if all(task["NodeID"] != node for task in cluster.running(service)):
            # Nothing runs there since it came back: start anew, so that tasks spread.
            cluster.remove(service)
            service = survivor()
        begun = time.monotonic()
        run(MARTLET, "lab", "kill", "--lab", cluster.lab, host)
        wait_for("all replicas elsewhere", lambda: sum(
            task["NodeID"] != node for task in cluster.running(service)) == REPLICAS, 120)
        times.append(time.monotonic() - begun)
        restart_host(cluster, host)
    cluster.remove(service)
    return figure(times, "s")


def measure_leader_killed(cluster, runs):
    times = []
    for turn in range(runs):
        name, _ = leader(cluster)
        cluster.entry = next(host for host in HOSTS if host != name)
        begun = time.monotonic()
        run(MARTLET, "lab", "kill", "--lab", cluster.lab, name)
        service = None

        def written():
            nonlocal service
            with contextlib.suppress(Failure):
                service = cluster.create(f"write{turn}-{time.monotonic_ns()}", "busybox:latest", ["true"], 0)
                return True
        wait_for("a write", written, 120)
        times.append(time.monotonic() - begun)
        restart_host(cluster, name)
        cluster.remove(service)
    return figure(times, "s")


def measure_run(cluster, runs):
    client = shutil.which("docker") or MARTLET
    times = []
    for turn in range(max(runs, 5) * 4 + 1):
        begun = time.monotonic()
        run(client, "-H", f"unix://{cluster.sockets['h1']}", "run", "--rm", "busybox", "true")
        if turn > 0:  # the first one warms the caches
            times.append(time.monotonic() - begun)
    return figure(times, "s")


def measure_memory(cluster, _):
    time.sleep(20)
    program = "martletd" if cluster.kind == "martlet" else "dockerd"
    values = []
    for host in HOSTS:
        script = f"grep VmRSS /proc/$(pgrep -o -x {program})/status"
        text = run(MARTLET, "lab", "exec", "--lab", cluster.lab, host, "--", "sh", "-c", script)
        values.append(int(text.split()[1]) / 1000)
    return figure(values, "MB")


# name, title, function, whether Docker is measured too, what is to be reached as a function of both medians
MEASUREMENTS = [
    ("memory", "resident memory of an idle `martletd`, manager of three hosts", measure_memory, True,
     "at most 80 MB", lambda ours, _: ours <= 80),
    ("run", "`docker run --rm busybox true`, bridge network, end to end", measure_run, True,
     "at most 1/4 of Docker's", lambda ours, theirs: theirs is None or ours <= theirs / 4),
    ("create", "`service create` of 30 replicas until all run", measure_create, True,
     "at most 1/5 of Docker's", lambda ours, theirs: theirs is None or ours <= theirs / 5),
    ("host", f"host killed: all {REPLICAS} tasks running elsewhere", measure_host_killed, True,
     "median at most 10 s", lambda ours, _: ours <= 10),
    ("leader", "leader killed: next write accepted", measure_leader_killed, True,
     "median at most 3 s", lambda ours, _: ours <= 3),
    ("update",
     f"rolling updates of {REPLICAS} replicas under {RATE} requests/s, each on a new connection, through all hosts",
     measure_update, False,
     "0 failed of at least 10,000", lambda ours, _: ours == 0),
    ("update-kills", "the same while each `martletd` in turn is killed with -9 and started", measure_update_kills,
     False,
     "0 failed of at least 10,000", lambda ours, _: ours == 0),
]


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    memory = int(open("/proc/meminfo").readline().split()[1]) // (1 << 20)
    commit = run("git", "rev-parse", "--short", "HEAD", check=False).strip() or "unknown"
    docker = ""
    if shutil.which("dockerd"):
        found = re.search(r"version ([0-9][0-9.]*)", run("dockerd", "--version", check=False))
        docker = f"Docker {found.group(1) if found else 'unknown'}, "
    return (f"{os.cpu_count()} x {model}, {memory} GiB, Linux {os.uname().release}, {docker}commit {commit}, "
            f"{time.strftime('%Y-%m-%d')}")


def main():
    parser = argparse.ArgumentParser(description="Measures Martlet, and Docker beside it where dockerd is installed.")
    parser.add_argument("--images", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=int, default=5)
    names = ", ".join(measurement[0] for measurement in MEASUREMENTS)
    parser.add_argument("--only", default="", help=f"names separated by commas, of {names}")
    options = parser.parse_args()
    only = set(filter(None, options.only.split(",")))
    unknown = only - {measurement[0] for measurement in MEASUREMENTS}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    chosen = [measurement for measurement in MEASUREMENTS if not only or measurement[0] in only]
    kinds = ["martlet"] + (["docker"] if shutil.which("dockerd") else [])
    results = {}
    for kind in kinds:
        wanted = [measurement for measurement in chosen if kind == "martlet" or measurement[3]]
        if not wanted:
            continue
        say(f"{kind}: three hosts")
        with Cluster(kind) as cluster:
            cluster.load(options.images, "busybox.tar", "v1.tar", "v2.tar")
            for name, title, function, _, _, _ in wanted:
                say(f"{kind}: {title}")
                try:
                    results[kind, name] = function(cluster, options.runs)
                except (Failure, RuntimeError, subprocess.SubprocessError) as failure:
                    results[kind, name] = (f"failed: {failure}", None)
                say(results[kind, name][0])
    print(f"{machine()}\n\n| what | to be reached | Martlet | Docker | reached |\n|---|---|---|---|---|")
    missed = False
    for name, title, _, _, target, is_reached in chosen:
        ours, theirs = results["martlet", name], results.get(("docker", name), ("", None))
        reached = ours[1] is not None and is_reached(ours[1], theirs[1])
        compares = "Docker" in target and theirs[1] is None
        missed = missed or not reached
        verdict = "not compared" if compares and reached else "yes" if reached else "no"
        print(f"| {title} | {target} | {ours[0]} | {theirs[0]} | {verdict} |")
    if "docker" not in kinds:
        print("\nDocker was not measured: no dockerd is installed (Debian: apt-get install docker.io).")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
