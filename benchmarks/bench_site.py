# SPDX-License-Identifier: MIT
"""What did the replaced sites' users wait for: before their fix, after it, and with headrace?

examples/site under gunicorn, an API endpoint (a user's token, one database query) and an
anonymous page (a template): before is a synchronous Redis, after is Celery with a worker beside
it. Redis is healthy, stopped (SIGSTOP), gone, or 5 ms away behind far_away.py. Latency is that of
an open loop at a fixed rate (open_loop.py), throughput that of wrk.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import open_loop
import results
from redis import Redis

HERE = Path(__file__).resolve().parent
SITE = HERE.parent / "examples" / "site"
sys.path.insert(0, str(SITE))

import demo  # noqa: E402 - the example site's own way to run a server

RATE = 100.0
SECONDS = 2.0
GIVE_UP = 2.0
WRK = ["wrk", "-t1", "-c8", "-d1", "--timeout", "2"]
VARIANTS = {
    "before": "replaced.Before",
    "after": "replaced.After",
    "headrace": "headrace.django.middleware.HeadraceMiddleware",
}
TITLES = {"before": "before: synchronous Redis", "after": "after: Celery", "headrace": "headrace"}
CONDITIONS = ("healthy", "stopped", "gone", "5 ms away")
VIEWS = {"API endpoint": "/api/auth/user-info/", "anonymous page": "/community/7/"}
Cell = tuple[open_loop.Outcome, float]


def there(port: int) -> bool:
    with contextlib.suppress(OSError):
        import socket

        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


@contextlib.contextmanager
def started(command: list[str], log: Path, environment: dict[str, str]) -> Iterator[int]:
    """A program in a process group of its own, killed with all of it on the way out: a worker
    that waits for a stopped Redis would not go otherwise.
    """
    with log.open("a") as output:
        process = subprocess.Popen(
            command,
            cwd=SITE,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def migrate(environment: dict[str, str]) -> None:
    manage = [sys.executable, "manage.py"]
    subprocess.run(
        [*manage, "migrate", "-v0", "--skip-checks"], cwd=SITE, env=environment, check=True
    )
    create = [
        "createsuperuser",
        "--skip-checks",
        "--noinput",
        "--username",
        "ada",
        "--email",
        "ada@example.org",
    ]
    subprocess.run(
        [*manage, *create],
        cwd=SITE,
        env={**environment, "DJANGO_SUPERUSER_PASSWORD": "a password for the benchmark"},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def headers(view: str, port: int) -> dict[str, str]:
    """A user's token, or the cookie that a first visit was given."""
    if view == "API endpoint":
        now = int(time.time())
        claims = {"token_type": "access", "iat": now, "exp": now + 3600, "jti": "b" * 32}
        text = jwt.encode({**claims, "user_id": "1"}, demo.SECRET_KEY, algorithm="HS256")
        return {"Authorization": f"Bearer {text}", "Accept": "application/json"}
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", VIEWS[view], headers=demo.BROWSER)
    response = connection.getresponse()
    response.read()
    connection.close()
    cookie = response.headers.get("Set-Cookie", "").partition(";")[0]
    assert response.status == 200, response.status
    assert cookie.startswith("device_fp="), cookie
    return {**demo.BROWSER, "Cookie": f"theme=dark; {cookie}"}


def throughput(port: int, path: str, sent: dict[str, str]) -> float:
    """Good answers a second, by wrk."""
    options = [word for name, value in sent.items() for word in ("-H", f"{name}: {value}")]
    command = [*WRK, *options, f"http://127.0.0.1:{port}{path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    whole = re.search(r"(\d+) requests in", done.stdout)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    assert rate is not None, done.stdout
    assert whole is not None, done.stdout
    share = 1 - int(bad[1]) / int(whole[1]) if bad else 1.0
    return float(rate[1]) * share


def server_command(port: int) -> list[str]:
    options = ["--workers", "2", "--worker-class", "gthread", "--threads", "4"]
    bind = ["--bind", f"127.0.0.1:{port}", "--keep-alive", "30", "--log-level", "warning"]
    return [sys.executable, "-m", "gunicorn", *options, *bind, "example.wsgi"]


def worker_command() -> list[str]:
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR"]
    return [sys.executable, "-m", "celery", "-A", "replaced", "worker", "--pool", "solo", *quiet]


def measure(variant: str, condition: str, folder: Path) -> dict[str, Cell]:
    """One server, from start to kill: by view, its latencies and its throughput."""
    redis_port, far_port, port = demo.free_port(), demo.free_port(), demo.free_port()
    used = far_port if condition == "5 ms away" else redis_port
    environment = {
        **os.environ,
        "PYTHONPATH": str(HERE),
        "DJANGO_SETTINGS_MODULE": "replaced_settings",
        "BENCH_MIDDLEWARE": VARIANTS[variant],
        "BENCH_REDIS": f"redis://127.0.0.1:{used}/0",
        "HEADRACE_SINK": f"redis://127.0.0.1:{used}/0",
        "HEADRACE_ENABLED": "1",
        "SITE_DATA": str(folder),
        "SITE_SECRET_KEY": demo.SECRET_KEY,
    }
    log = folder / "log"
    store = ["redis-server", "--port", str(redis_port), "--save", "", "--dir", str(folder)]
    proxy = [sys.executable, str(HERE / "far_away.py"), str(far_port), str(redis_port), "5"]
    found: dict[str, Cell] = {}
    with contextlib.ExitStack() as stack:
        redis_pid = stack.enter_context(started(store, log, environment))
        demo.wait_for("redis-server", lambda: there(redis_port), log)
        if condition == "5 ms away":
            stack.enter_context(started(proxy, log, environment))
            demo.wait_for("far_away.py", lambda: there(far_port), log)
        if not (folder / "site.sqlite3").exists():
            migrate(environment)
        if variant == "after":
            stack.enter_context(started(worker_command(), log, environment))
        stack.enter_context(started(server_command(port), log, environment))
        demo.wait_for("gunicorn", lambda: demo.answers(port), log)
        sent = {view: headers(view, port) for view in VIEWS}
        for view, path in VIEWS.items():  # connections to Redis are made, caches filled
            open_loop.run(port, path, sent[view], 60.0, 0.5, GIVE_UP)
        if variant == "headrace":
            check_events(redis_port)
        if condition == "stopped":
            os.kill(redis_pid, signal.SIGSTOP)
        elif condition == "gone":
            os.kill(redis_pid, signal.SIGKILL)
        for view, path in VIEWS.items():
            outcome = open_loop.run(port, path, sent[view], RATE, SECONDS, GIVE_UP)
            found[view] = outcome, throughput(port, path, sent[view])
    return found


def check_events(redis_port: int) -> None:
    """The comparison is worth nothing where no events arrive."""
    with Redis(port=redis_port) as client:
        deadline = time.monotonic() + 5
        while client.xlen("headrace:example:events") == 0:
            assert time.monotonic() < deadline, "headrace delivered nothing"
            time.sleep(0.02)


def shown(seconds: float) -> str:
    return f"> {GIVE_UP:.0f} s" if math.isinf(seconds) else f"{seconds * 1000:.1f}"


def bar(outcome: open_loop.Outcome) -> results.Spread:
    """Nanoseconds, p50 to p99; what was given up is drawn as long as it was waited for."""
    p50, p99 = (min(outcome.at(share), GIVE_UP) * 1e9 for share in (0.5, 0.99))
    return p50, p50, p99


def main() -> None:
    print(f"latency: {RATE:.0f} requests/s for {SECONDS} s, given up after {GIVE_UP:.0f} s")
    print(f"throughput: {' '.join(WRK)} -H ... URL; server: {' '.join(server_command(0)[1:])}")
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory(prefix="hr-site-") as name:
        for condition in CONDITIONS:
            by_variant = {variant: measure(variant, condition, Path(name)) for variant in VARIANTS}
            for view in VIEWS:
                drawn = {TITLES[one]: bar(by_variant[one][view][0]) for one in VARIANTS}
                results.bars(f"{view}, Redis {condition}: p50, and up to p99", drawn)
                for variant in VARIANTS:
                    outcome, rate = by_variant[variant][view]
                    times = [shown(outcome.at(share)) for share in (0.5, 0.95, 0.99)]
                    good = outcome.statuses[200]
                    answered = f"{good / len(outcome.seconds):.1%}"
                    cells = [condition, view, TITLES[variant], *times, answered, f"{rate:,.0f}"]
                    rows.append(cells)
                    print("  " + "  ".join(f"{cell:>14}" for cell in cells), flush=True)
    columns = ["Redis", "view", "", "p50, ms", "p95, ms", "p99, ms", "answered", "requests/s, wrk"]
    results.grid("the replaced sites' table, on examples/site", columns, rows)


if __name__ == "__main__":
    main()
