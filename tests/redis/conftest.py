# SPDX-License-Identifier: MIT
"""A real Redis on a private Unix socket for each test that asks for one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

SOAK = os.environ.get("HEADRACE_SOAK") == "1"


class Server:
    """One redis-server process: its URL, a client, and the ways it can fail."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.socket = folder / "redis.sock"
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None
        self.client = redis.Redis(unix_socket_path=str(self.socket), decode_responses=True)
        self.start()

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [
                "redis-server",
                "--port",
                "0",
                "--unixsocket",
                str(self.socket),
                "--dir",
                str(self.folder),
                "--save",
                "",
                *self.options,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                self.client.ping()
                return
            except redis.exceptions.RedisError:
                assert time.monotonic() < deadline, "redis-server did not come up"
                time.sleep(0.01)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def command(self, *words: str, **options: bool) -> Any:
        return self.client.execute_command(*words, **options)  # type: ignore[no-untyped-call]

    def events(self, stream: str = "events", prefix: str = "headrace:") -> list[dict[str, str]]:
        entries: list[tuple[str, dict[str, str]]]
        entries = self.client.xrange(prefix + stream)  # type: ignore[assignment]
        return [fields for _, fields in entries]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: that of a Unix socket has at most 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="hr-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    running = Server(folder)
    yield running
    running.client.close()
    running.kill()


@pytest.fixture
def start_server(folder: Path) -> Iterator[Callable[..., Server]]:
    """Starts a server with options of the test's own."""
    running: list[Server] = []

    def start(*options: str) -> Server:
        running.append(Server(folder, *options))
        return running[-1]

    yield start
    for one in running:
        one.client.close()
        one.kill()


@pytest.fixture
def ring_dir(tmp_path: Path) -> str:
    """Rings of a test's own, so that no other test adopts them."""
    return str(tmp_path)
