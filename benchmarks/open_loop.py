# SPDX-License-Identifier: MIT
"""An HTTP client that sends at a fixed rate, whatever the server does.

A client that waits for an answer before it sends again stops asking just when the server stalls,
and so measures the stall once (coordinated omission). Here each request has a moment at which it
was due, and its time is counted from there, also when a connection only becomes free later. What
is not answered by its deadline counts as a request of endless time.
"""

from __future__ import annotations

import math
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

SLOTS = 64  # connections; request n is sent on connection n % SLOTS


@dataclass
class Outcome:
    """Seconds from when a request was due to the end of its answer; infinite without one."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def at(self, share: float) -> float:
        """The percentile, by the nearest rank."""
        ranked = sorted(self.seconds)
        return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


class Connection:
    """One keep-alive connection, opened anew when the server has closed it."""

    def __init__(self, port: int, request: bytes) -> None:
        self.port, self.request = port, request
        self.socket: socket.socket | None = None

    def send(self, deadline: float) -> int:
        """The status of the answer; raises OSError (TimeoutError at the deadline)."""
        reused = self.socket is not None
        try:
            return self.exchange(deadline)
        except TimeoutError:
            self.close()
            raise
        except OSError:
            self.close()
            if not reused:
                raise
            return self.exchange(deadline)  # the server had closed an idle connection

    def exchange(self, deadline: float) -> int:
        left = deadline - time.perf_counter()
        if left <= 0:
            raise TimeoutError
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=left)
        self.socket.settimeout(left)
        self.socket.sendall(self.request)
        head, body = self.head(deadline)
        wanted = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                wanted = int(value)
        while len(body) < wanted:
            body += self.more(deadline)
        if b"connection: close" in head.lower():
            self.close()
        return int(head.split(b" ", 2)[1])

    def head(self, deadline: float) -> tuple[bytes, bytes]:
        received = b""
        while b"\r\n\r\n" not in received:
            received += self.more(deadline)
        head, _, body = received.partition(b"\r\n\r\n")
        return head, body

    def more(self, deadline: float) -> bytes:
        assert self.socket is not None
        left = deadline - time.perf_counter()
        if left <= 0:
            raise TimeoutError
        self.socket.settimeout(left)
        received = self.socket.recv(65536)
        if not received:
            raise ConnectionResetError
        return received

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None


def request_bytes(path: str, headers: dict[str, str]) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def run(
    port: int, path: str, headers: dict[str, str], rate: float, seconds: float, give_up: float
) -> Outcome:
    """Sends `rate` requests a second for so many seconds; each has `give_up` seconds."""
    request = request_bytes(path, headers)
    count = int(rate * seconds)
    slots = min(SLOTS, count)
    outcomes = [Outcome() for _ in range(slots)]
    start = time.perf_counter() + 0.05

    def work(slot: int) -> None:
        connection, outcome = Connection(port, request), outcomes[slot]
        for number in range(slot, count, slots):
            due = start + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            try:
                status = connection.send(due + give_up)
            except OSError:
                outcome.seconds.append(math.inf)
            else:
                outcome.seconds.append(time.perf_counter() - due)
                outcome.statuses[status] += 1
        connection.close()

    threads = [threading.Thread(target=work, args=(slot,)) for slot in range(slots)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = Outcome()
    for outcome in outcomes:
        whole.seconds += outcome.seconds
        whole.statuses += outcome.statuses
    assert len(whole.seconds) == count
    return whole
