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


Answer = Callable[[int, list[bytes]], bytes | None]


class Script:
    """A Redis of a few commands that answers as a script tells it to.

    `answer(n, words)` is asked for every XADD, `n` counting from 0: an error to answer it with,
    b"" to hang up, or None to do it. Within MULTI an error makes EXEC refuse all, as in Redis.
    """

    def __init__(self, folder: Path, answer: Answer, greeting: bytes = b"") -> None:
        self.socket = folder / "script.sock"
        self.answer = answer
        self.greeting = greeting
        self.connections = 0
        self.asked = 0
        self.commands: list[bytes] = []
        self.stream: list[dict[str, str]] = []
        self.keys: dict[bytes, bytes] = {}
        self.lock = threading.Lock()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(self.socket))
        self.listener.listen(64)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.greeting:
                with client, contextlib.suppress(OSError):
                    client.sendall(self.greeting)
                continue
            threading.Thread(
                target=self._serve, args=(client, self.connections), daemon=True
            ).start()

    def _serve(self, client: socket.socket, number: int) -> None:
        queued: list[list[bytes]] | None = None
        aborted = False
        with contextlib.suppress(OSError, ValueError), client, client.makefile("rb") as lines:
            while head := lines.readline():
                words = []
                for _ in range(int(head[1:])):
                    length = int(lines.readline()[1:])
                    words.append(lines.read(length + 2)[:-2])
                name = words[0].upper()
                self.commands.append(name)
                error = None
                if name == b"XADD":
                    error = self.answer(self.asked, words)
                    self.asked += 1
                    if error == b"":
                        return
                if name == b"MULTI":
                    queued, aborted = [], False
                    reply = b"+OK\r\n"
                elif name == b"EXEC":
                    pieces = [] if aborted else [self._do(number, one) for one in queued or []]
                    reply = b"*%d\r\n%s" % (len(pieces), b"".join(pieces))
                    if aborted:
                        reply = b"-EXECABORT Transaction discarded because of previous errors.\r\n"
                    queued = None
                elif queued is not None:
                    reply = b"+QUEUED\r\n" if error is None else error
                    queued.append(words)
                    aborted = aborted or error is not None
                else:
                    reply = self._do(number, words) if error is None else error
                client.sendall(reply)

    def _do(self, number: int, words: list[bytes]) -> bytes:
        name = words[0].upper()
        if name == b"XADD":
            at = words.index(b"*") + 1
            text = [word.decode() for word in words[at:]]
            with self.lock:
                self.stream.append(dict(zip(text[::2], text[1::2], strict=True)))
            return b"$3\r\n1-1\r\n"
        if name == b"CLIENT":
            sort = words[1].upper()
            return {b"ID": b":%d\r\n" % number, b"KILL": b":0\r\n"}.get(sort, b"+OK\r\n")
        if name == b"INFO":
            text = b"redis_version:7.0.15\r\nrun_id:%s\r\n" % (b"a" * 40)
            return b"$%d\r\n%s\r\n" % (len(text), text)
        if name == b"GET":
            value = self.keys.get(words[1])
            return b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)
        if name == b"SET":
            self.keys[words[1]] = words[2]
        return b":0\r\n" if name == b"EVAL" else b"+OK\r\n"
