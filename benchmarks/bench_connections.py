# SPDX-License-Identifier: MIT
"""Does examples/site hold 10,000 open connections of users who verify and refresh tokens?

Two workers of uvicorn on one side, Locust (locustfile.py) on the other, on the same machine. What
is asked of it: p50 100 ms, p95 500 ms, p99 2 s, errors 0.1 %. Times are taken when all users
are connected; how many connections are open is read from the kernel.
"""

from __future__ import annotations

import csv
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import results
from bench_site import SITE, migrate, started, there

sys.path.insert(0, str(SITE))

import demo

HERE = Path(__file__).resolve().parent
USERS = 10_000
SPAWN = 250  # users a second
HOLD = 25.0  # seconds with all of them
PAUSE = 75.0  # seconds between two requests of a user
WANTED = {"p50": 0.1, "p95": 0.5, "p99": 2.0}
ERRORS = 0.001


def more_files() -> int:
    """Raises the limit of open files as far as it goes, for us and our children."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def established(port: int) -> int:
    """Connections to the server that are open, as the kernel counts them."""
    ours = f":{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    words = (line.split() for line in lines)
    return sum(word[1].endswith(ours) and word[3] == "01" for word in words)


def server_command(port: int) -> list[str]:
    options = ["--workers", "2", "--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    more = ["--log-level", "warning", "--timeout-keep-alive", "300", "--backlog", "4096"]
    where = ["--port", str(port), "example.asgi:application"]
    return [sys.executable, "-m", "uvicorn", *options, *more, *where]


def locust_command(port: int, users: int, folder: Path) -> list[str]:
    seconds = int(users / SPAWN + HOLD)
    load = ["-u", str(users), "-r", str(SPAWN), "-t", f"{seconds}s", "--reset-stats"]
    output = ["--csv", str(folder / "found"), "--only-summary", "--loglevel", "WARNING"]
    host = ["--host", f"http://127.0.0.1:{port}"]
    file = ["-f", str(HERE / "locustfile.py"), "--headless"]
    return [sys.executable, "-m", "locust", *file, *host, *load, *output]


class Watch(threading.Thread):
    """The most connections that were open at once, looked at every two seconds."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port, self.most, self.ended = port, 0, threading.Event()

    def run(self) -> None:
        while not self.ended.wait(2):
            self.most = max(self.most, established(self.port))


def main() -> None:
    files = more_files()
    users = min(USERS, files - 2_000)
    if users < USERS:
        print(f"ulimit -n is {files}: only {users} users")
    with tempfile.TemporaryDirectory(prefix="hr-users-") as name:
        folder = Path(name)
        port = demo.free_port()
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "example.settings",
            "SITE_DATA": name,
            "SITE_SECRET_KEY": demo.SECRET_KEY,
            "HEADRACE_SINK": f"unix://{folder}/redis.sock",
            "HEADRACE_ENABLED": "1",
            "BENCH_PAUSE": str(PAUSE),
        }
        socket = ["--port", "0", "--unixsocket", f"{folder}/redis.sock"]
        store = ["redis-server", *socket, "--save", "", "--dir", name]
        log = folder / "log"
        migrate(environment)
        print(f"server: {' '.join(server_command(port)[1:])}")
        command = locust_command(port, users, folder)
        print(f"users: {' '.join(command[1:])}", flush=True)
        with (
            started(store, log, environment),
            started(server_command(port), log, environment),
        ):
            demo.wait_for("uvicorn", lambda: there(port) and demo.answers(port), log)
            watch = Watch(port)
            watch.start()
            begun = time.monotonic()
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False
            )
            seconds = time.monotonic() - begun
            watch.ended.set()
            watch.join()
        # Locust ends with 1 when a request failed, which the table says better
        if not (folder / "found_stats.csv").exists():
            raise SystemExit(f"locust ended with {done.returncode}:\n{done.stderr[-2000:]}")
        with (folder / "found_stats.csv").open() as file:
            rows = {row["Name"]: row for row in csv.DictReader(file)}
        show(rows, watch.most, users, seconds)


def show(rows: dict[str, dict[str, str]], most: int, users: int, seconds: float) -> None:
    table: list[list[str]] = []
    for name in ("verify", "refresh", "Aggregated"):
        row = rows[name]
        count, failed = int(row["Request Count"]), int(row["Failure Count"])
        times = [f"{float(row[share]):.0f} ms" for share in ("50%", "95%", "99%", "100%")]
        rate = f"{float(row['Requests/s']):.0f}"
        errors = f"{failed / max(1, count):.2%}"
        table.append([name, f"{count:,}", rate, *times, errors])
        print("  " + "  ".join(f"{cell:>12}" for cell in table[-1]))
    columns = ["request", "count", "requests/s", "p50", "p95", "p99", "longest", "errors"]
    wanted = [f"{limit * 1000:.0f} ms" for limit in WANTED.values()]
    table.append(["wanted", "", "", *wanted, "", f"{ERRORS:.1%}"])
    results.grid(f"{users:,} users, each with a connection of its own", columns, table)
    whole = rows["Aggregated"]
    found = [float(whole[share]) / 1000 for share in ("50%", "95%", "99%")]
    held = all(a <= b for a, b in zip(found, WANTED.values(), strict=True))
    share = int(whole["Failure Count"]) / max(1, int(whole["Request Count"]))
    verdict = "holds" if held and share <= ERRORS else "does NOT hold"
    results.remark(
        f"{most:,} connections were open at once; what was asked {verdict} "
        f"({seconds:.0f} s, {SPAWN} new users a second, one request each {PAUSE:.0f} s)."
    )


if __name__ == "__main__":
    main()
