# SPDX-License-Identifier: MIT
"""Under the servers that sites run: what was answered is in Redis after the server has gone."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from headrace import EventSink
from tests.redis.conftest import SOAK, Server, folder, ring_dir, server, start_server

__all__ = ["folder", "ring_dir", "server", "start_server"]

ROUNDS = 50 if SOAK else 2
MODULE = [sys.executable, "-m"]
CELERY_ROUNDS = 20 if SOAK else 2

SITE = """
    import os
    from headrace import EventSink

    sink = EventSink(os.environ["URL"], ring_dir=os.environ["RINGS"], linger=0.05)
    if os.environ.get("EARLY"):
        sink.emit("master", {"n": -1})      # before any worker is forked

    def application(environ, start_response):
        assert sink.emit("visit", {"n": environ["PATH_INFO"][1:]})
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    async def asgi(scope, receive, send):
        if scope["type"] != "http":
            raise ValueError("only http")
        assert sink.emit("visit", {"n": scope["path"][1:]})
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})
"""


POOL = """
    import os
    from pathlib import Path
    import billiard.pool
    from celery import Celery
    from headrace import EventSink

    # A worker that stops waits for its parent to have read its results, now and then in vain,
    # for that many tenths of a second: 300, without us too.
    billiard.pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = 20
    app = Celery("a_pool", broker=os.environ["BROKER"])
    app.conf.update(task_ignore_result=True, worker_hijack_root_logger=False)
    sink = EventSink(os.environ["URL"], ring_dir=os.environ["RINGS"], linger=0.5)
    if os.environ.get("EARLY"):
        sink.emit("main", {"n": -1})      # before any worker is forked

    @app.task
    def visit(n):
        assert sink.emit("visit", {"n": n})
        with open(os.environ["DONE"], "a") as done:
            done.write(".")
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Traffic:
    """Clients that go on asking until the server has gone, and what they were answered."""

    def __init__(self, port: int, first: int, clients: int = 3) -> None:
        self.port = port
        self.asked = first
        self.answered: list[int] = []
        self.ending = False
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._ask) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def end(self) -> None:
        self.ending = True
        for thread in self.threads:
            thread.join(30)

    def _ask(self) -> None:
        while not self.ending:
            with self.lock:
                n, self.asked = self.asked, self.asked + 1
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            try:
                connection.request("GET", f"/{n}")
                assert connection.getresponse().read() == b"ok"
                self.answered.append(n)
            except (OSError, http.client.HTTPException):
                time.sleep(0.005)  # it is going, or has gone
            finally:
                connection.close()


def wait_until_it_listens(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            assert time.monotonic() < deadline, "the server did not come up"
            time.sleep(0.02)


def numbers(server: Server) -> list[int]:
    return [int(event["n"]) for event in server.events() if event["kind"] == "visit"]


def adopt_the_rest(server: Server, ring_dir: str) -> None:
    """What the next start of a site does with rings that were left."""
    sink = EventSink(server.url, ring_dir=ring_dir)
    sink.emit("next")
    deadline = time.monotonic() + 10
    while len(list(Path(ring_dir).rglob("*.ring"))) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    sink.close()


GUNICORN = {
    "sync": ["-w2"],
    "gthread": ["-w2", "-k", "gthread", "--threads", "4"],
    "preload": ["-w2", "--preload"],
    "preload, used before": ["-w2", "--preload", "--env", "EARLY=1"],
}


ENDS = (0, -signal.SIGTERM, 128 + signal.SIGTERM)


def serve(
    command: list[str],
    site: Path,
    server: Server,
    ring_dir: str,
    early: bool,
    may_hang: bool = False,
) -> None:
    """Stops the server again and again, each time with requests in flight."""
    asked = 0
    answered: list[int] = []
    for _ in range(ROUNDS):
        port = free_port()
        process = subprocess.Popen(
            [word.format(port=port) for word in command],
            cwd=site.parent,
            env={
                **os.environ,
                "URL": server.url,
                "RINGS": ring_dir,
                **({"EARLY": "1"} if early else {}),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until_it_listens(port)
        traffic = Traffic(port, asked)
        deadline = time.monotonic() + 30
        while len(traffic.answered) < 40:
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(10 if may_hang else 30) in ENDS
        except subprocess.TimeoutExpired:
            if not may_hang:
                raise
            os.killpg(process.pid, signal.SIGKILL)  # what a supervisor does then
            process.wait()
        traffic.end()
        asked = traffic.asked
        answered += traffic.answered
    adopt_the_rest(server, ring_dir)
    seen = numbers(server)
    assert len(seen) == len(set(seen)), "something arrived twice"
    assert set(answered) <= set(seen), "something was lost"
    assert set(seen) <= set(range(asked))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "a_site.py"
    path.write_text(textwrap.dedent(SITE))
    return path


@pytest.mark.parametrize("options", GUNICORN.values(), ids=GUNICORN)
def test_gunicorn(site: Path, server: Server, ring_dir: str, options: list[str]) -> None:
    early = "EARLY=1" in options
    words = [word for word in options if word not in ("--env", "EARLY=1")]
    command = [*MODULE, "gunicorn", "a_site:application", "-b", "127.0.0.1:{port}", *words]
    serve(command, site, server, ring_dir, early)


def test_uvicorn(site: Path, server: Server, ring_dir: str) -> None:
    command = [*MODULE, "uvicorn", "a_site:asgi", "--port", "{port}", "--lifespan", "off"]
    serve(command, site, server, ring_dir, early=False)


@pytest.mark.parametrize("more", [[], ["--skip-atexit"]], ids=["", "skip-atexit"])
def test_uwsgi(site: Path, server: Server, ring_dir: str, more: list[str]) -> None:
    """With its defaults: no threads for Python, and none of Python's fork hooks."""
    uwsgi = str(Path(sys.executable).parent / "uwsgi")
    command = [uwsgi, "--http-socket", "127.0.0.1:{port}", "--master", "-p", "2", "--die-on-term"]
    command += ["--wsgi", "a_site:application", "--need-app", *more]
    # its workers miss the signal now and then while they are kept busy, without us too
    serve(command, site, server, ring_dir, early=True, may_hang=True)


@pytest.mark.parametrize("early", [False, True], ids=["fresh", "used before"])
def test_celery_prefork(tmp_path: Path, server: Server, ring_dir: str, early: bool) -> None:
    """What tasks emitted is in Redis when the worker has gone; nothing is left to adopt."""
    tasks = 40
    done = tmp_path / "done"
    (tmp_path / "a_pool.py").write_text(textwrap.dedent(POOL))
    environment = {
        **os.environ,
        "BROKER": f"redis+socket://{server.socket}?virtual_host=1",
        "URL": server.url,
        "RINGS": ring_dir,
        "DONE": str(done),
        **({"EARLY": "1"} if early else {}),
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)  # this run's, which Celery would load
    worker = "celery -A a_pool worker --pool prefork -c 2 --without-gossip --without-mingle"
    send = "import sys, a_pool\nfor n in range(*map(int, sys.argv[1:])): a_pool.visit.delay(n)"
    for turn in range(CELERY_ROUNDS):
        process = subprocess.Popen(
            [sys.executable, "-m", *worker.split()],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        first, last = turn * tasks, (turn + 1) * tasks
        subprocess.run(
            [sys.executable, "-c", send, str(first), str(last)],
            cwd=tmp_path,
            env={**environment, "EARLY": ""},
            check=True,
            timeout=60,
        )
        # the last round runs all tasks that the others left; those stop in the midst of theirs
        enough = last if turn == CELERY_ROUNDS - 1 else first + tasks // 2
        deadline = time.monotonic() + 30
        while not done.exists() or done.stat().st_size < enough:
            assert time.monotonic() < deadline, "the tasks were not run"
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert len(numbers(server)) == done.stat().st_size
        assert list(Path(ring_dir).rglob("*.ring")) == []
    assert set(numbers(server)) == set(range(CELERY_ROUNDS * tasks))
