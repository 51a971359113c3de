# SPDX-License-Identifier: MIT
"""A server between the sink and Redis that fails as a script tells it to."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Callable
from pathlib import Path


class Fault:
    """What one connection does to the bytes; the base class passes them on."""

    def up(self, data: bytes) -> bytes | None:
        """What of a chunk to Redis goes on; None cuts the connection."""
        return data

    def down(self, data: bytes) -> bytes | None:
        return data


class Cut(Fault):
    """Cuts after so many bytes in one direction, both sides at once."""

    def __init__(self, up: int | None, down: int | None) -> None:
        self.left = {"up": up, "down": down}

    def _take(self, way: str, data: bytes) -> bytes | None:
        left = self.left[way]
        if left is None:
            return data
        if left <= 0:
            return None
        self.left[way] = left - len(data)
        return data[:left]

    def up(self, data: bytes) -> bytes | None:
        return self._take("up", data)

    def down(self, data: bytes) -> bytes | None:
        return self._take("down", data)


class Rewrite(Fault):
    """Answers go through a function once the handshake is over."""

    def __init__(self, change: Callable[[bytes], bytes | None]) -> None:
        self.change = change
        self.armed = False

    def up(self, data: bytes) -> bytes | None:
        self.armed = self.armed or b"XADD" in data
        return data

    def down(self, data: bytes) -> bytes | None:
        return self.change(data) if self.armed else data


class Proxy:
    """Listens on a Unix socket; `plan()` gives each connection its fault."""

    def __init__(self, folder: Path, redis_socket: Path, plan: Callable[[], Fault]) -> None:
        self.socket = folder / "fault.sock"
        self.redis_socket = redis_socket
        self.plan = plan
        self.connections = 0
        self.cuts = 0
        self.closed = False
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(self.socket))
        self.listener.listen(64)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def close(self) -> None:
        self.closed = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def _accept(self) -> None:
        while not self.closed:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            upstream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                upstream.connect(str(self.redis_socket))
            except OSError:
                client.close()
                upstream.close()
                continue
            self.connections += 1
            fault = self.plan()
            pair = (client, upstream)
            ways = [
                threading.Thread(target=self._pump, args=(*pair, fault.up, pair), daemon=True),
                threading.Thread(
                    target=self._pump, args=(upstream, client, fault.down, pair), daemon=True
                ),
            ]
            for way in ways:
                way.start()

    def _pump(
        self,
        source: socket.socket,
        sink: socket.socket,
        change: Callable[[bytes], bytes | None],
        pair: tuple[socket.socket, socket.socket],
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                changed = change(data)
                if changed:
                    sink.sendall(changed)
                if changed is None or len(changed) < len(data):
                    self.cuts += 1
                    break
        for one in pair:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def random_cuts(seed: int, reach: int) -> Callable[[], Fault]:
    """Cuts anywhere in the first `reach` bytes, to Redis or back."""
    numbers = random.Random(seed)

    def plan() -> Fault:
        at = numbers.randrange(1, reach)
        # the answers are an eighth of what is asked
        return Cut(at, None) if numbers.random() < 0.5 else Cut(None, 400 + at // 8)

    return plan
