#!/usr/bin/env python3
"""Constant load: so many HTTP requests a second, each on a connection of its own, spread over addresses in turn.

Ends after --seconds or on SIGINT/SIGTERM and reports how many requests failed, why, and the latencies.
A request fails where it is refused, reset, cut short, not answered within --timeout, or answered with another status than 200.
"""
import argparse
import asyncio
import collections
import json
import signal
import time


async def request(address, port, path, timeout, results):
    begun = time.monotonic()
    stage = "connecting"
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(address, port)
            stage = f"from port {writer.get_extra_info('sockname')[1]}"
            try:
                host = f"[{address}]" if ":" in address else address
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                answer = await reader.read(-1)
            finally:
                writer.close()
        # A CGI program may end its lines with LF alone.
        head, _, body = answer.replace(b"\r\n", b"\n").partition(b"\n\n")
        status = head.split(b" ")[1].decode() if head.startswith(b"HTTP/1.") else "no answer"
        word = body.split()[0].decode() if body.split() else "empty body"
        failure = None if status == "200" and body else f"{address}: {status} {word}"
        results.append((begun, time.monotonic() - begun, failure, word))
    except Exception as error:  # whatever it is, the request failed
        results.append((begun, time.monotonic() - begun, f"{address}: {type(error).__name__} {error}".strip() + f" {stage}", ""))


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--timeout", type=float, default=5)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--path", default="/")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("addresses", nargs="+")
    options = parser.parse_args()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopped.set)
    results, running = [], set()
    begun = time.monotonic()
    count = 0
    while not stopped.is_set() and time.monotonic() - begun < options.seconds:
        address = options.addresses[count % len(options.addresses)]
        task = asyncio.create_task(request(address, options.port, options.path, options.timeout, results))
        running.add(task)
        task.add_done_callback(running.discard)
        count += 1
        pause = begun + count / options.rate - time.monotonic()
        if pause > 0:
            try:
                await asyncio.wait_for(stopped.wait(), pause)
            except asyncio.TimeoutError:
                pass
        elif count % 16 == 0:
            await asyncio.sleep(0)
    seconds = time.monotonic() - begun
    while running:
        await asyncio.wait(list(running))
    failures = collections.Counter(failure for _, _, failure, _ in results if failure)
    latencies = sorted(latency for _, latency, failure, _ in results if not failure)
    words = collections.Counter(word for _, _, failure, word in results if not failure)
    at = lambda share: latencies[min(len(latencies) - 1, int(share * len(latencies)))] * 1000 if latencies else 0.0
    report = {
        "requests": len(results), "failed": sum(failures.values()), "seconds": round(seconds, 1),
        "p50_ms": round(at(0.5), 2), "p99_ms": round(at(0.99), 2), "max_ms": round(at(1), 2),
        "answers": dict(words), "failures": dict(failures.most_common(10)),
        "failed_at_s": [round(start - begun, 2) for start, _, failure, _ in results if failure][:50],
    }
    if options.json:
        print(json.dumps(report))
        return
    print(f"{report['requests']} requests in {report['seconds']} s, {report['failed']} failed; "
          f"p50 {report['p50_ms']} ms, p99 {report['p99_ms']} ms, max {report['max_ms']} ms")
    print("answers: " + ", ".join(f"{count} from {word}" for word, count in sorted(words.items())))
    for failure, number in failures.most_common(10):
        print(f"  {number} x {failure}")


asyncio.run(main())
