# SPDX-License-Identifier: MIT
"""How fast do events leave, and what does the sink cost while Redis fails, or nothing happens?

Needs redis-server. The peers confluent-kafka, opentelemetry-sdk and celery are timed where they
are installed.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import results
from pairs import machine

from penstock import EventSink

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
        f"  {name:<40}p50 {p50:9,} ns  p99.9 {p999:9,} ns  "
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


def commands(start: int, count: int) -> bytes:
    """A batch as the sink sends it, formatted beforehand."""

    def command(*words: str) -> bytes:
        parts = [f"*{len(words)}\r\n"] + [f"${len(word)}\r\n{word}\r\n" for word in words]
        return "".join(parts).encode()

    fields = [word for name, value in FIELDS.items() for word in (name, str(value))]
    xadds = [
        command(
            *("XADD", "events", "MAXLEN", "~", "100000", "*", "id", f"0123456789abcdef-{n * 18}"),
            *("kind", "signup", "time", "1700000000000", *fields),
        )
        for n in range(start, start + count)
    ]
    marker = command("SET", "penstock:marker:x", str(start), "EX", "604800")
    return b"".join([command("MULTI"), *xadds, marker, command("EXEC")])


def raw_client(path: Path) -> float:
    """Events a second of a client that only sends what is formatted already and reads replies."""
    batches = [commands(n, BATCH) for n in range(0, EVENTS, BATCH)]
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        start = time.perf_counter()
        for batch in batches:
            client.sendall(batch)
            received = b""
            # the last reply of EXEC is the marker's
            while not received.endswith(b"\r\n+OK\r\n") or b"\r\n*" not in received:
                received += client.recv(1 << 20)
        return EVENTS / (time.perf_counter() - start)


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
    rates: dict[str, list[float]] = {"sink": [], "sent as formatted": []}
    with redis_server(folder) as (_, path):
        for _ in range(3):
            peer = raw_client(path)
            ours = our_delivery(path, folder)
            rates["sink"].append(ours)
            rates["sent as formatted"].append(peer)
            print(f"  sink {ours:9,.0f}/s, sent as formatted {peer:9,.0f}/s: {ours / peer:.2f} x")
    results.table("delivery into one Redis", rates, "events/s")


def thread_seconds() -> float:
    """Processor time of the sink's thread."""
    for task in os.listdir("/proc/self/task"):
        stat = Path(f"/proc/self/task/{task}/stat").read_text()
        if "(penstock-sink)" in stat:
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
