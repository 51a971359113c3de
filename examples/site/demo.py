# SPDX-License-Identifier: MIT
"""Serves the example site, sends it requests, and counts what reached Redis.

Under gunicorn, then under uvicorn, each with two worker processes: visitors and users
come by, some with expired or forged tokens. Then the sums are compared, request by
request: what the clients did, what the workers' ledgers say, what Redis holds, what
`manage.py headrace_consume`, killed five times on the way, has put into the site's tables.
Ends with 0 only when all of them agree. Starts a Redis of its own in a temporary folder,
and leaves nothing running.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import io
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import redis

SITE = Path(__file__).resolve().parent
WORKERS = 2
CLIENTS = 8
STAFF, PASSWORD = "ada", "a password for the demo"
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
    "Accept": "text/html,application/xhtml+xml",
    "Sec-Fetch-Mode": "navigate",
}
SECRET_KEY = "a secret key for the demo, as long as Django wants it to be"


class Failure(Exception):
    """Something did not come out as it must; the text says what."""


# --- what the clients do ----------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """One class of requests: how many, where to, what must come of each."""

    name: str
    count: int
    path: str
    status: int
    event: bool
    cookie: bool = False
    token: str = ""


KINDS = [
    Kind("new visitor", 150, "/community/{n}/", 200, event=True),
    Kind("returning visitor", 250, "/community/{n}/members/", 200, event=True, cookie=True),
    Kind("user, page", 150, "/community/{n}/", 200, event=True, token="valid"),
    Kind("user, API", 150, "/api/auth/user-info/", 200, event=True, token="valid"),
    Kind("visitor, API", 75, "/api/auth/location-data/", 200, event=False, cookie=True),
    Kind("expired token, page", 25, "/community/{n}/", 200, True, cookie=True, token="expired"),
    Kind("forged token, page", 25, "/community/{n}/", 200, True, cookie=True, token="forged"),
    Kind("expired token, API", 50, "/api/auth/user-info/", 401, event=False, token="expired"),
    Kind("forged token, API", 50, "/api/auth/user-info/", 401, event=False, token="forged"),
    Kind("static file", 75, "/static/site.css", 200, event=False, cookie=True),
    Kind("health check", 25, "/health/", 200, event=False),
]


def kind_of_event(event: dict[str, str]) -> str:
    """The class of requests that an event in Redis belongs to."""
    if event["kind"] != "request":
        return f"kind {event['kind']}"
    if "user" in event:
        return "user, API" if event["label"] == "account" else "user, page"
    refused = {"expired": "expired token, page", "signature": "forged token, page"}
    if "reason" in event:
        return refused.get(event["reason"], f"reason {event['reason']}")
    return "new visitor" if "new" in event else "returning visitor"


@dataclass
class Traffic:
    """Sends the requests of all classes to one server, mixed, from several threads."""

    port: int
    tokens: dict[str, str]
    sent: Counter[str] = field(default_factory=Counter)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    cookies: list[str] = field(default_factory=list)
    local: threading.local = field(default_factory=threading.local)

    def connection(self) -> http.client.HTTPConnection:
        if not hasattr(self.local, "connection"):
            self.local.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection: http.client.HTTPConnection = self.local.connection
        return connection

    def send(self, kind: Kind, number: int) -> None:
        headers = dict(BROWSER)
        if kind.cookie:
            headers["Cookie"] = f"theme=dark; {self.cookies[number % len(self.cookies)]}"
        if kind.token:
            headers["Authorization"] = f"Bearer {self.tokens[kind.token]}"
        connection = self.connection()
        try:
            connection.request("GET", kind.path.format(n=number % 50 + 1), headers=headers)
            response = connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionResetError) as error:
            connection.close()
            raise Failure(f"{kind.name}: the server hung up: {error!r}") from error
        response.read()
        self.sent[kind.name] += 1
        self.answers[kind.name, response.status] += 1
        given = re.match(r"device_fp=[^;]+", response.headers.get("Set-Cookie", ""))
        if given:
            self.cookies.append(given[0])

    def run(self, title: str) -> None:
        """New visitors first, since the others need their cookies; the rest is shuffled."""
        jobs = [[(kind, n) for n in range(kind.count)] for kind in KINDS]
        first, rest = jobs[0], list(itertools.chain(*jobs[1:]))
        random.Random(1).shuffle(rest)
        total = len(first) + len(rest)
        with ThreadPoolExecutor(CLIENTS) as pool:
            for part in (first, rest):
                for _ in pool.map(lambda job: self.send(*job), part):
                    progress(f"{title}: {sum(self.sent.values())} of {total} requests")
                if len(self.cookies) != KINDS[0].count:
                    raise Failure(f"{title}: {len(self.cookies)} cookies given to {KINDS[0]}")

    def check(self) -> None:
        for kind in KINDS:
            if self.answers[kind.name, kind.status] != kind.count:
                got = {
                    status: n for (name, status), n in self.answers.items() if name == kind.name
                }
                raise Failure(f"{kind.name}: wanted {kind.count} × {kind.status}, got {got}")


class Progress:
    """One line that is written over; a new one each second where output is no terminal."""

    def __init__(self) -> None:
        self.shown = 0.0

    def __call__(self, text: str) -> None:
        if sys.stdout.isatty():
            print(f"\r\x1b[K{text}", end="", flush=True)
        elif time.monotonic() - self.shown > 1:
            self.shown = time.monotonic()
            print(text, flush=True)

    def end(self) -> None:
        if sys.stdout.isatty():
            print("\r\x1b[K", end="", flush=True)


progress = Progress()


# --- the processes ----------------------------------------------------------


@contextlib.contextmanager
def running(command: list[str], log: Path, environment: dict[str, str]) -> Iterator[int]:
    """Runs a program in a process group of its own; ends the whole group on the way out."""
    with log.open("w") as output:
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
        if process.poll() is not None:
            raise Failure(f"{command[0]} ended by itself:\n{log.read_text()[-2000:]}")
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            print(f"{Path(command[0]).name} did not end within 20 s", file=sys.stderr)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(what: str, ready: Callable[[], bool], log: Path, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if ready():
            return
        time.sleep(0.05)
    raise Failure(f"{what} is not there after {seconds:.0f} s:\n{log.read_text()[-2000:]}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def server_command(front: str, port: int) -> list[str]:
    python = [sys.executable, "-m"]
    if front == "gunicorn":
        options = ["--workers", str(WORKERS), "--worker-class", "gthread", "--threads", "4"]
        bind = ["--bind", f"127.0.0.1:{port}", "--log-level", "warning"]
        return [*python, "gunicorn", *options, *bind, "example.wsgi"]
    options = ["--workers", str(WORKERS), "--no-access-log", "--log-level", "warning"]
    return [*python, "uvicorn", *options, "--port", str(port), "example.asgi:application"]


def worker_pids(master: int) -> set[int]:
    """The children of a server that have the extension loaded."""
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    pids = set()
    for pid in map(int, children):
        with contextlib.suppress(OSError):
            if "/headrace/_core" in Path(f"/proc/{pid}/maps").read_text():
                pids.add(pid)
    return pids


# --- the ledger -------------------------------------------------------------


def ask_ledger(port: int, token: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = {"Authorization": f"Bearer {token}", "Connection": "close"}
        connection.request("GET", "/ledger/", headers=headers)
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise Failure(f"/ledger/ answered {response.status}: {body!r}")
    answer: dict[str, Any] = json.loads(body)
    return answer


def ledgers(port: int, token: str, workers: set[int]) -> dict[int, dict[str, Any]]:
    """The counters of every worker, asked until each has answered with nothing pending."""
    found: dict[int, dict[str, Any]] = {}
    deadline = time.monotonic() + 30
    with ThreadPoolExecutor(CLIENTS) as pool:
        while time.monotonic() < deadline:
            for answer in pool.map(lambda _: ask_ledger(port, token), range(CLIENTS)):
                found[answer["pid"]] = answer["stats"]
            settled = {pid for pid, stats in found.items() if stats["pending"] == 0}
            if settled >= workers:
                return found
            progress(f"ledger: {len(settled)} of {len(workers)} workers")
    raise Failure(f"only {sorted(found)} of the workers {sorted(workers)} answered in full")


def total(count: int | dict[str, int]) -> int:
    """A counter, or the sum of one that is kept by reason."""
    return sum(count.values()) if isinstance(count, dict) else count


def added_up(per_worker: dict[int, dict[str, Any]]) -> Counter[str]:
    """The ledgers' sum; raises Failure where one of them does not add up."""
    names = ("offered", "accepted", "refused", "delivered", "dropped", "pending")
    whole: Counter[str] = Counter()
    for pid, stats in per_worker.items():
        one = {name: total(stats[name]) for name in names}
        if one["offered"] != one["accepted"] + one["refused"]:
            raise Failure(f"worker {pid}: offered is not accepted + refused: {one}")
        if one["accepted"] != one["delivered"] + one["dropped"] + one["pending"]:
            raise Failure(f"worker {pid}: accepted is not delivered + dropped + pending: {one}")
        whole.update(one)
    return whole


# --- the scrape -------------------------------------------------------------


def scrape(port: int) -> dict[str, float]:
    """Every sample that one worker shows, by name and labels."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/metrics", headers={"Connection": "close"})
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    if response.status != 200:
        raise Failure(f"/metrics answered {response.status}: {text!r}")
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def check_scrape(front: str, shown: dict[str, float], sent: Counter[str], accepted: int) -> None:
    """One scrape, whichever worker answered it, shows what all of them have counted.

    Counters go on from server to server: what a process has counted stays when it ends.
    """
    if shown["headrace_workers"] != WORKERS:
        raise Failure(f"{front}: /metrics shows {shown['headrace_workers']:g} workers")
    if shown["headrace_events_accepted_total"] < accepted:
        raise Failure(f"{front}: /metrics shows fewer events than were accepted")
    page = COUNT.format(method="GET", route="community/<int:id>/", status="2xx")
    pages = sum(sent[kind.name] for kind in KINDS if kind.path == "/community/{n}/")
    if shown[page] < pages:
        raise Failure(f"{front}: {pages} pages were sent, /metrics shows {shown[page]:g}")


COUNT = (
    "headrace_request_duration_seconds_count"
    '{{method="{method}",route="{route}",status="{status}"}}'
)


# --- one server, from start to end -------------------------------------------


@dataclass
class Outcome:
    """What one server's run came to."""

    front: str
    sent: Counter[str]
    events: Counter[str]
    ledger: Counter[str]
    workers: int
    samples: list[dict[str, str]]
    shown: dict[str, float]  # by /metrics of one worker
    stored: int = 0  # rows that the consumer has made of the events
    kills: int = 0  # of the consumer, by SIGKILL


def stream(store: redis.Redis) -> list[dict[str, str]]:
    entries: Any = store.xrange("headrace:example:events")
    return [{key.decode(): value.decode() for key, value in f.items()} for _, f in entries]


def serve(front: str, store: redis.Redis, folder: Path, environment: dict[str, str]) -> Outcome:
    store.flushall()
    port = free_port()
    log = folder / f"{front}.log"
    with running(server_command(front, port), log, environment) as master:
        progress(f"{front}: starting")
        wait_for(front, lambda: answers(port), log)
        wait_for(front, lambda: len(worker_pids(master)) == WORKERS, log)
        traffic = Traffic(port, tokens(port))
        traffic.run(front)
        workers = worker_pids(master)
        per_worker = ledgers(port, traffic.tokens["valid"], workers)
        ledger = added_up(per_worker)
        events = stream(store)
        shown = scrape(port)
        check_scrape(front, shown, traffic.sent, ledger["accepted"])
    progress.end()
    traffic.check()
    found = Counter(kind_of_event(event) for event in events)
    wanted = Counter({kind.name: kind.count for kind in KINDS if kind.event})
    if set(per_worker) != workers:
        raise Failure(f"{front}: workers changed: {sorted(per_worker)}, {sorted(workers)}")
    if len({event["id"] for event in events}) != len(events):
        raise Failure(f"{front}: an event is in Redis twice")
    if ledger["accepted"] != len(events):
        raise Failure(f"{front}: accepted {ledger['accepted']}, in Redis {len(events)}")
    if found != wanted:
        raise Failure(f"{front}: events by class: wanted {dict(wanted)}, got {dict(found)}")
    if len(stream(store)) != len(events):
        raise Failure(f"{front}: the end of the server added events to Redis")
    samples = [
        next(event for event in events if kind_of_event(event) == name)
        for name in ("new visitor", "user, API", "expired token, page")
    ]
    return Outcome(front, traffic.sent, found, ledger, len(workers), samples, shown)


def tokens(port: int) -> dict[str, str]:
    """A token from the site's login, and two that it would not have given."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = json.dumps({"username": STAFF, "password": PASSWORD})
    connection.request("POST", "/api/auth/login/", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    if response.status != 200:
        raise Failure(f"login answered {response.status}: {answer}")
    claims = jwt.decode(answer["access"], SECRET_KEY, algorithms=["HS256"])
    old = {**claims, "iat": claims["iat"] - 7200, "exp": claims["exp"] - 7200}
    return {
        "valid": answer["access"],
        "expired": jwt.encode(old, SECRET_KEY, algorithm="HS256"),
        "forged": jwt.encode(claims, "a secret that somebody guessed" * 2, algorithm="HS256"),
    }


# --- the consumer -------------------------------------------------------------

KILLS = {"gunicorn": 2, "uvicorn": 3}
CONSUME = [sys.executable, "manage.py", "headrace_consume", "--batch", "16"]


def rows(folder: Path) -> int:
    """The rows of the table that the consumer fills."""
    database = sqlite3.connect(folder / "site.sqlite3", timeout=20)
    try:
        found: int = database.execute(
            "SELECT count(*) FROM headrace_analytics_pageview"
        ).fetchone()[0]
        return found
    finally:
        database.close()


def consume(outcome: Outcome, folder: Path, environment: dict[str, str]) -> None:
    """Puts the events into the tables; each time the consumer has stored some, it is killed."""
    before = rows(folder)
    events = outcome.events.total()
    log = folder / "consume.log"
    for turn in range(KILLS[outcome.front]):
        start = rows(folder)
        with log.open("w") as output:
            consumer = subprocess.Popen(
                CONSUME,
                cwd=SITE,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_for(
                "a stored event",
                lambda start=start: rows(folder) > start or rows(folder) == before + events,
                log,
            )
        finally:
            consumer.kill()
            consumer.wait()
        outcome.kills += 1
        stored = rows(folder) - before
        progress(f"consumer killed {turn + 1} times: {stored} of {events} events")
    with log.open("w") as output:
        subprocess.run(
            [*CONSUME, "--drain"],
            cwd=SITE,
            env=environment,
            check=True,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    progress.end()
    outcome.stored = rows(folder) - before
    if outcome.stored != outcome.ledger["accepted"]:
        raise Failure(
            f"{outcome.front}: accepted {outcome.ledger['accepted']}, in the tables "
            f"{outcome.stored}"
        )


# --- the added time -----------------------------------------------------------

PAIRS = 3000


def added_time() -> None:
    """Prints, as JSON, microseconds a request with and without the middleware.

    Both handlers live in this process and take turns, so that what else the machine does
    falls on both.
    """
    import django

    django.setup()
    from django.conf import settings
    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.wsgi import WSGIHandler
    from django.test import override_settings

    from headrace.django import sink

    ours = "headrace.django.middleware.HeadraceMiddleware"
    others = [name for name in settings.MIDDLEWARE if name != ours]
    cookie: str = ""

    def environ() -> dict[str, Any]:
        headers = {f"HTTP_{k.upper().replace('-', '_')}": v for k, v in BROWSER.items()}
        return {
            **headers,
            "HTTP_COOKIE": cookie,
            "HTTP_HOST": "127.0.0.1",
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/community/7/",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.input": io.BytesIO(),
            "wsgi.url_scheme": "http",
        }

    def get(handler: WSGIHandler) -> list[tuple[str, str]]:
        given: list[tuple[str, str]] = []
        response = handler(environ(), lambda _status, headers: given.extend(headers))
        response.close()  # type: ignore[attr-defined]
        return given

    async def aget(handler: ASGIHandler) -> None:
        headers = [(k.lower().encode(), v.encode()) for k, v in BROWSER.items()]
        scope: Any = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/community/7/members/",
            "raw_path": b"/community/7/members/",
            "query_string": b"",
            "root_path": "",
            "headers": [*headers, (b"host", b"127.0.0.1"), (b"cookie", cookie.encode())],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 80),
        }
        body = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Any:
            if body:
                return body.pop()
            return await asyncio.Future()

        async def send(message: Any) -> None:
            assert message["type"].startswith("http.response")

        await handler(scope, receive, send)

    with override_settings(MIDDLEWARE=others):
        plain, aplain = WSGIHandler(), ASGIHandler()
    full, afull = WSGIHandler(), ASGIHandler()
    given = dict(get(full)).get("Set-Cookie", "")
    cookie = f"theme=dark; {given.partition(';')[0]}"

    def timed(call: Callable[[], object]) -> float:
        start = time.perf_counter()
        call()
        return (time.perf_counter() - start) * 1e6

    def compare(without: Callable[[], object], with_: Callable[[], object]) -> dict[str, float]:
        """The lower decile of each: what the machine adds besides, it adds to the rest."""
        for _ in range(PAIRS // 10):
            timed(without)
            timed(with_)
        pairs = [
            (timed(without), timed(with_)) if turn % 2 else (timed(with_), timed(without))[::-1]
            for turn in range(PAIRS)
        ]
        plain, full = (
            statistics.quantiles(column, n=10)[0] for column in zip(*pairs, strict=True)
        )
        return {"without": plain, "with": full, "added": full - plain}

    loop = asyncio.new_event_loop()
    found = {
        "WSGI": compare(lambda: get(plain), lambda: get(full)),
        "ASGI": compare(
            lambda: loop.run_until_complete(aget(aplain)),
            lambda: loop.run_until_complete(aget(afull)),
        ),
    }
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    events = sink()
    if events is not None:
        events.close()
    print(json.dumps(found))


# --- the site's own report --------------------------------------------------------

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PICTURES = {"": "1280,1500", "-phone": "390,1500"}


def site_report(page: Path, since: str, folder: Path, environment: dict[str, str]) -> list[Path]:
    """`manage.py headrace_report` over the tables, as a page; where there is a Chromium, as it
    looks on a wide screen and on a phone. Answers the files that it made.
    """
    page = page.resolve()
    page.parent.mkdir(parents=True, exist_ok=True)
    manage = [sys.executable, "manage.py", "headrace_report", "--since", since]
    subprocess.run(
        [*manage, "--export", str(page), "--cache-stats"],
        cwd=SITE,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    made = [page]
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    for name, size in PICTURES.items() if browser else ():
        picture = page.with_name(f"{page.stem}{name}.png")
        # a window is never narrower than some 500 pixels, a frame of a page is
        width, height = size.split(",")
        frame = folder / "frame.html"
        frame.write_text(
            f'<body style="margin:0"><iframe src="{page.as_uri()}" style="border:0;'
            f'width:{width}px;height:{height}px"></iframe>'
        )
        subprocess.run(
            [
                *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *(f"--user-data-dir={folder}/browser", f"--window-size={size}"),
                *(f"--screenshot={picture}", frame.as_uri()),
            ],
            check=False,
            timeout=60,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if picture.exists():
            made.append(picture)
    return made


# --- the report -----------------------------------------------------------------


def report(outcomes: list[Outcome], added: dict[str, dict[str, float]]) -> None:
    heads = [f"{o.front}: sent" for o in outcomes], [f"{o.front}: events" for o in outcomes]
    columns = [*itertools.chain(*zip(*heads, strict=True))]
    width = max(map(len, columns)) + 3
    print(f"\n{'requests by class':<22}" + "".join(f"{name:>{width}}" for name in columns))
    for kind in KINDS:
        counts = [n for o in outcomes for n in (o.sent[kind.name], o.events[kind.name])]
        print(f"{kind.name:<22}" + "".join(f"{n:>{width}}" for n in counts))
    sums = [n for o in outcomes for n in (o.sent.total(), o.events.total())]
    print(f"{'together':<22}" + "".join(f"{n:>{width}}" for n in sums))

    print(f"\n{'ledger':<22}" + "".join(f"{o.front:>{width}}" for o in outcomes))
    for name in ("offered", "accepted", "refused", "delivered", "dropped", "pending"):
        print(f"{name:<22}" + "".join(f"{o.ledger[name]:>{width}}" for o in outcomes))
    print(f"{'in Redis':<22}" + "".join(f"{o.events.total():>{width}}" for o in outcomes))
    print(f"{'in the tables':<22}" + "".join(f"{o.stored:>{width}}" for o in outcomes))
    print(f"{'consumer killed':<22}" + "".join(f"{o.kills:>{width}}" for o in outcomes))
    print(f"{'worker processes':<22}" + "".join(f"{o.workers:>{width}}" for o in outcomes))

    print(f"\n{'time a request, µs':<22}{'without':>{width}}{'with':>{width}}{'added':>{width}}")
    for front, times in added.items():
        row = "".join(f"{times[name]:>{width}.1f}" for name in ("without", "with", "added"))
        print(f"{front:<22}{row}")
    print("(handlers with and without the middleware, taking turns in one process, lower decile)")

    report_scrape(outcomes[0])
    print("\nthree events")
    for event in outcomes[0].samples:
        print("  " + " ".join(f"{name}={value}" for name, value in event.items()))
    print("\nThe ledgers add up, and Redis and the tables hold exactly what was accepted.")


def report_scrape(outcome: Outcome) -> None:
    """A few lines of what one worker's /metrics says about all of them."""
    print(f"\n/metrics, as one of the {outcome.workers} workers of {outcome.front} shows it")
    starts = (
        "headrace_workers",
        "headrace_events_accepted_total",
        "headrace_events_delivered_total",
        "headrace_request_duration_seconds_count",
        "headrace_database_query_duration_seconds_count",
        "headrace_worker_resident_bytes",
    )
    for name, value in outcome.shown.items():
        if name.startswith(starts):
            print(f"  {name} {value:.0f}")


def main() -> int:
    """Exit status 0 only when everything adds up."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--added-time", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--report", type=Path, help="a page with the site's own report")
    options = parser.parse_args()
    if options.added_time:
        added_time()
        return 0

    def ended(number: int, _frame: object) -> None:
        raise Failure(f"ended by signal {number}")

    signal.signal(signal.SIGTERM, ended)
    folder = Path(tempfile.mkdtemp(prefix="headrace-demo-"))
    try:
        run(folder, options.report)
    except Failure as failure:
        progress.end()
        print(f"\nFAILED: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        progress.end()
        print("\ninterrupted", file=sys.stderr)
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def run(folder: Path, page: Path | None) -> None:
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "example.settings",
        "SITE_DATA": str(folder),
        "SITE_SECRET_KEY": SECRET_KEY,
        "HEADRACE_SINK": f"unix://{folder}/redis.sock",
        "HEADRACE_ENABLED": "1",
    }
    options = ["--port", "0", "--unixsocket", f"{folder}/redis.sock", "--dir", str(folder)]
    command = ["redis-server", *options, "--save", "", "--appendonly", "no"]
    log = folder / "redis.log"
    with running(command, log, environment):
        store = redis.Redis(unix_socket_path=f"{folder}/redis.sock")

        def there() -> bool:
            with contextlib.suppress(redis.ConnectionError):
                return bool(store.ping())
            return False

        wait_for("redis-server", there, log)
        progress("database")
        manage = [sys.executable, "manage.py"]
        subprocess.run(
            [*manage, "migrate", "--verbosity", "0"], cwd=SITE, env=environment, check=True
        )
        subprocess.run(
            [
                *manage,
                "createsuperuser",
                "--noinput",
                "--username",
                STAFF,
                "--email",
                "ada@example.org",
            ],
            cwd=SITE,
            env={**environment, "DJANGO_SUPERUSER_PASSWORD": PASSWORD},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        outcomes = []
        for front in ("gunicorn", "uvicorn"):
            outcomes.append(serve(front, store, folder, {**environment, "SITE_METRICS": "1"}))
            consume(outcomes[-1], folder, environment)
        pages = [] if page is None else site_report(page, since, folder, environment)
        progress("measuring the added time")
        measured = subprocess.run(
            [sys.executable, str(Path(__file__).resolve()), "--added-time"],
            cwd=SITE,
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        store.close()
        progress.end()
    report(outcomes, json.loads(measured.stdout))
    if pages:
        print(f"\nThe site's own report: {', '.join(map(str, pages))}")


if __name__ == "__main__":
    sys.exit(main())
