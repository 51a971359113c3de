# SPDX-License-Identifier: MIT
"""How fast do events leave, and what does the sink cost while Redis fails, or nothing happens?

Needs redis-server. The peers confluent-kafka, opentelemetry-sdk and celery are timed where they
are installed.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import queue
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import results
from pairs import machine

from headrace import EventSink

FIELDS: dict[str, str | bytes | int | float | bool | None]
FIELDS = {"user": "1234567", "plan": "pro", "path": "/community/7/", "n": 7, "ok": True}
EMITS = 20_000
EVENTS = 100_000
BATCH = 256
FOUND: dict[str, list[float]] = {}


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    path = folder / "redis.sock"
    process = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", ""],
        stdout=subprocess.DEVNULL,
        cwd=folder,
    )
    while not path.exists():
        time.sleep(0.01)
    try:
        yield process, path
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()
        path.unlink()


def at(times: list[int], share: float) -> int:
    return sorted(times)[int(len(times) * share)]


def report(name: str, call: Callable[[], object], calls: int = EMITS) -> int:
    """Prints what one call takes, less an empty call; each is timed by itself. Answers p50 in ns.

    The empty call's own p99.9 is what the machine adds at its worst.
    """
    clock = time.perf_counter_ns
    nothing: Callable[[], object] = lambda: None  # noqa: E731 - a call like the others
    taken = []
    empty = []
    for _ in range(calls):
        start = clock()
        call()
        taken.append(clock() - start)
        start = clock()
        nothing()
        empty.append(clock() - start)
    base = at(empty, 0.5)
    FOUND[name] = [max(value - base, 1.0) for value in results.chunks(taken)]
    p50, p999 = at(taken, 0.5) - base, at(taken, 0.999) - base
    print(
        f"  {name:<44}p50 {p50:9,} ns  p99.9 {p999:9,} ns  "
        f"(empty p99.9 {at(empty, 0.999) - base:,} ns)",
        flush=True,
    )
    return p50


def emitting(url: str, folder: Path) -> tuple[EventSink, Callable[[], object]]:
    sink = EventSink(url, ring_bytes=64 << 20, ring_dir=folder, exit_timeout=0)
    emit = sink.emit
    emit("signup", FIELDS)
    return sink, lambda: emit("signup", FIELDS)


def bench_emit(folder: Path) -> None:
    print(f"\nemit of five fields ({machine()})")
    with redis_server(folder) as (process, path):
        sink, call = emitting(f"unix://{path}", folder)
        ours = report("Redis up", call)
        process.send_signal(signal.SIGSTOP)
        report("Redis stopped (SIGSTOP)", call)
        process.send_signal(signal.SIGCONT)
        sink.close(0)
    sink, call = emitting("redis://127.0.0.1:1/0", folder)
    report("Redis down", call)
    sink.close(0)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        sink, call = emitting(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0", folder)
        report("a server that accepts and never reads", call)
        sink.close(0)
    with redis_server(folder) as (_, path):
        for name, calls, peer in peers(path):
            theirs = report(name, peer, calls)
            print(f"    {theirs / max(ours, 1):10.1f} x ours")
    results.table("emit of five fields, less an empty call", FOUND)


def peers(path: Path) -> Iterator[tuple[str, int, Callable[[], object]]]:
    """What others do at this place: a name, how many calls, the call."""
    payload = repr(FIELDS).encode()
    kept: queue.SimpleQueue[object] = queue.SimpleQueue()
    # emit copies too: what the caller does to its dict afterwards changes no event
    yield "SimpleQueue.put of a copy, never emptied", EMITS, lambda: kept.put(("s", dict(FIELDS)))
    with contextlib.suppress(ImportError):
        kafka = importlib.import_module("confluent_kafka").Producer(
            {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}
        )
        yield "confluent-kafka produce", EMITS, lambda: kafka.produce("events", payload)
    with contextlib.suppress(ImportError):
        logs = importlib.import_module("opentelemetry.sdk._logs")
        export = importlib.import_module("opentelemetry.sdk._logs.export")
        provider = logs.LoggerProvider()
        exporter = export.InMemoryLogExporter()
        provider.add_log_record_processor(export.BatchLogRecordProcessor(exporter))
        logger = provider.get_logger("bench")
        record = importlib.import_module("opentelemetry._logs").LogRecord(
            body="signup", attributes=FIELDS
        )
        yield "opentelemetry emit", EMITS, lambda: logger.emit(record)
    with contextlib.suppress(ImportError):
        importlib.import_module("redis")  # Celery's transport
        celery = importlib.import_module("celery").Celery(broker=f"redis+socket://{path}")
        celery.conf.task_ignore_result = True

        def task(**fields: object) -> None:
            """Is never run: nothing takes it off the broker."""

        signup = celery.task(task, name="signup")
        signup.delay(**FIELDS)  # connects
        yield "celery delay, Redis up", EMITS // 10, lambda: signup.delay(**FIELDS)


def build_client(folder: Path) -> Path:
    """The pipelined C client, compiled."""
    program = folder / "pipelined_client"
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "hiredis"], capture_output=True, text=True, check=True
    )
    source = Path(__file__).parent / "pipelined_client.c"
    subprocess.run(
        ["cc", "-O2", "-o", str(program), str(source), *flags.stdout.split()], check=True
    )
    return program


def c_client(program: Path, path: Path) -> float:
    """Events a second of a C program that sends the same commands with hiredis."""
    words = [str(program), str(path), str(EVENTS), str(BATCH)]
    return float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def redis_py(path: Path) -> float:
    """Events a second of redis-py's pipeline with the same commands."""
    client = importlib.import_module("redis").Redis(unix_socket_path=str(path))
    count = EVENTS // 10
    start = time.perf_counter()
    for first in range(0, count, BATCH):
        pipeline = client.pipeline(transaction=True)
        for n in range(first, min(first + BATCH, count)):
            fields = {"id": f"0123456789abcdef-{n * 18}", "kind": "signup", "time": 1700000000000}
            fields |= {name: str(value) for name, value in FIELDS.items()}
            pipeline.xadd("headrace:events", fields, maxlen=100_000)
        pipeline.set("headrace:marker:redis-py", first, ex=604_800)
        pipeline.execute()
    rate = count / (time.perf_counter() - start)
    client.close()
    return rate


def our_delivery(path: Path, folder: Path) -> float:
    sink = EventSink(f"unix://{path}", ring_bytes=64 << 20, ring_dir=folder, batch=BATCH)
    sink.emit("warm", {})
    sink.flush(5)
    start = time.perf_counter()
    for _ in range(EVENTS):
        sink.emit("signup", FIELDS)
    assert sink.flush(60) == 0
    rate = EVENTS / (time.perf_counter() - start)
    sink.close()
    return rate


def bench_delivery(folder: Path) -> None:
    print(f"\ndelivery into one Redis, {EVENTS:,} events, batches of {BATCH}")
    program = build_client(folder)
    rates: dict[str, list[float]] = {"sink": [], "a pipelined C client": []}
    with redis_server(folder) as (_, path):
        for _ in range(5):
            peer = c_client(program, path)
            ours = our_delivery(path, folder)
            rates["sink"].append(ours)
            rates["a pipelined C client"].append(peer)
            print(
                f"  sink {ours:9,.0f}/s, a pipelined C client {peer:9,.0f}/s: {ours / peer:.2f} x"
            )
        with contextlib.suppress(ImportError):
            rates["redis-py pipeline"] = [redis_py(path) for _ in range(5)]
            print(f"  redis-py pipeline {statistics.median(rates['redis-py pipeline']):9,.0f}/s")
    results.table("delivery into one Redis", rates, "events/s")


def thread_seconds() -> float:
    """Processor time of the sink's thread."""
    for task in os.listdir("/proc/self/task"):
        stat = Path(f"/proc/self/task/{task}/stat").read_text()
        if "(headrace-sink)" in stat:
            words = stat.rpartition(")")[2].split()
            return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def bench_idle(folder: Path) -> None:
    with redis_server(folder) as (_, path):
        sink = EventSink(f"unix://{path}", ring_dir=folder)
        sink.emit("signup", FIELDS)
        sink.flush(5)
        time.sleep(1.5)
        before = thread_seconds()
        time.sleep(6)
        used = (thread_seconds() - before) / 6
        print(f"\nidle: {used:.2%} of a core")
        sink.close()


def main() -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = Path(name)
        bench_emit(folder)
        bench_delivery(folder)
        bench_idle(folder)


if __name__ == "__main__":
    main()
