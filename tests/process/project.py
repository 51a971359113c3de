# SPDX-License-Identifier: MIT
"""A project as `startproject` makes it, with our MIDDLEWARE line and nothing else; and servers."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MIDDLEWARE = '"headrace.django.middleware.HeadraceMiddleware"'
BIN = Path(sys.executable).parent

# a slow view and a streaming one, beside the page that a new project shows
URLS = """
import time
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

def slow(request):
    time.sleep(0.05)
    return HttpResponse("slow")

def stream(request):
    return StreamingHttpResponse(iter([b"one ", b"two"]))

def page(request):
    return HttpResponse("page")

urlpatterns = [path("page/", page), path("slow/", slow), path("stream/", stream)]
"""

# the same site, with the outer wrapper in front of Django
WRAPPED = """
from {module} import application as inner
from headrace.django import gate
from {front} import HeadraceMiddleware

application = HeadraceMiddleware(inner, gate())
"""


def start_project(folder: Path) -> Path:
    """The project `fresh` in `folder`: MIDDLEWARE has one line more than Django wrote."""
    done = subprocess.run(
        [sys.executable, "-m", "django", "startproject", "fresh", str(folder)],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    settings = folder / "fresh/settings.py"
    text = settings.read_text()
    assert text.count("MIDDLEWARE = [\n") == 1
    settings.write_text(text.replace("MIDDLEWARE = [\n", f"MIDDLEWARE = [\n    {MIDDLEWARE},\n"))
    return folder


def add_views(folder: Path) -> None:
    (folder / "fresh/urls.py").write_text(URLS)
    for module, front in (("fresh.wsgi", "headrace.wsgi"), ("fresh.asgi", "headrace.asgi")):
        name = f"fresh/wrapped_{module[-4:]}.py"
        (folder / name).write_text(WRAPPED.format(module=module, front=front))


def environment(**more: str) -> dict[str, str]:
    """Without what the test run itself has set."""
    names = ("DJANGO_SETTINGS_MODULE", "PYTHONDEVMODE", "PYTHONWARNINGS", "HEADRACE_SINK")
    kept = {name: value for name, value in os.environ.items() if name not in names}
    return {**kept, "PYTHONUNBUFFERED": "1", **more}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fetch(port: int, path: str, **headers: str) -> http.client.HTTPResponse:
    """One request over a connection of its own, read to its end."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        response.read()
        return response
    finally:
        connection.close()


class Running:
    """A server that answers, and what it wrote once it was stopped."""

    def __init__(self, process: subprocess.Popen[str], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self._log = log

    def wait_for(self, *lines: str) -> None:
        """Until the server has logged each of these."""
        deadline = time.monotonic() + 30
        while not all(line in self._log.read_text() for line in lines):
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.02)

    def stop(self, *, group: bool = False) -> str:
        """Sends SIGTERM; the log, once the server has ended by itself."""
        if group:
            os.killpg(self.process.pid, signal.SIGTERM)
        else:
            self.process.terminate()
        self.process.wait(timeout=30)
        return self._log.read_text()


@contextmanager
def serve(folder: Path, command: list[str], port: int, **variables: str) -> Iterator[Running]:
    """Starts `command` in `folder` and waits until it takes connections."""
    log = folder / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(**variables),
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            _wait_for(process, port, log)
            yield Running(process, port, log)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for(process: subprocess.Popen[str], port: int, log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
