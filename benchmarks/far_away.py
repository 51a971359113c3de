# SPDX-License-Identifier: MIT
"""Puts a TCP server milliseconds away: what goes through is held back, in order, each way.

    python benchmarks/far_away.py PORT TARGET_PORT MILLISECONDS

The milliseconds are those of a round trip; each direction gets half. Nothing waits for what was
sent before it, as on a long wire.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from collections import deque

CHUNK = 1 << 18


class Wire:
    """One direction of one connection: what was received, and when it may go on."""

    def __init__(self, source: socket.socket, target: socket.socket) -> None:
        self.source, self.target = source, target
        self.held: deque[tuple[float, bytes]] = deque()


def serve(port: int, target_port: int, milliseconds: float) -> None:
    half = milliseconds / 2000
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    wires: dict[socket.socket, Wire] = {}

    def drop(wire: Wire) -> None:
        for end in (wire.source, wire.target):
            wires.pop(end, None)
            end.close()

    while True:
        now = time.monotonic()
        for wire in list(wires.values()):
            try:
                while wire.held and wire.held[0][0] <= now:
                    wire.target.sendall(wire.held.popleft()[1])
            except OSError:
                drop(wire)
        due = [wire.held[0][0] for wire in wires.values() if wire.held]
        wait = max(0.0, min(due) - time.monotonic()) if due else None
        # select() takes microseconds, where epoll rounds up to whole milliseconds
        for ready in select.select([listener, *wires], [], [], wait)[0]:
            if ready is listener:
                client, _ = listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", target_port))
                except OSError:
                    client.close()
                    continue
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                wires[client], wires[server] = Wire(client, server), Wire(server, client)
            elif ready in wires:
                wire = wires[ready]
                try:
                    received = ready.recv(CHUNK)
                except OSError:
                    received = b""
                if received:
                    wire.held.append((time.monotonic() + half, received))
                else:
                    drop(wire)


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
