# SPDX-License-Identifier: MIT
"""Forks and ends of processes, each in a child with a timeout that reads as "deadlock"."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from tests.redis.conftest import SOAK, Server, folder, ring_dir, server, start_server

__all__ = ["folder", "ring_dir", "server", "start_server"]


def run(code: str, *arguments: str, timeout: float = 60, **options: object) -> str:
    """The output of `code`, which must end by itself with status 0."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == options.get("status", 0), done.stderr
    return done.stdout


def numbers(server: Server) -> list[int]:
    return [int(event["n"]) for event in server.events()]


def test_exit_delivers_what_was_emitted(server: Server, ring_dir: str) -> None:
    run(
        """
        import sys
        from headrace import EventSink
        sink = EventSink(sys.argv[1], ring_dir=sys.argv[2])
        for n in range(1000):
            sink.emit("visit", {"n": n})
        """,
        server.url,
        ring_dir,
    )
    assert numbers(server) == list(range(1000))
    assert list(Path(ring_dir).rglob("*.ring")) == []


def test_exit_is_bounded_when_redis_hangs(server: Server, ring_dir: str) -> None:
    server.pause()
    out = run(
        """
        import sys, time
        from headrace import EventSink
        sink = EventSink(sys.argv[1], ring_dir=sys.argv[2], exit_timeout=0.5)
        sink.emit("visit", {"n": 1})
        print(time.monotonic())
        """,
        server.url,
        ring_dir,
        timeout=10,
    )
    assert time.monotonic() - float(out) < 5
    server.resume()
    assert len(list(Path(ring_dir).rglob("*.ring"))) == 1


def test_a_forked_child_leaves_the_parents_events_to_the_parent(
    server: Server, ring_dir: str
) -> None:
    run(
        """
        import os, sys
        from headrace import EventSink
        sink = EventSink(sys.argv[1], ring_dir=sys.argv[2], linger=0.2)
        for n in range(100):
            sink.emit("visit", {"n": n, "who": "parent"})
        child = os.fork()
        if child == 0:
            assert sink.stats()["accepted"] == 0
            sink.emit("visit", {"n": 1000, "who": "child"})
            assert sink.flush(5) == 0
            assert sink.stats()["accepted"] == 1
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert sink.flush(5) == 0
        assert sink.stats()["accepted"] == 100
        """,
        server.url,
        ring_dir,
    )
    assert sorted(numbers(server)) == [*range(100), 1000]


def test_many_forks_under_load(server: Server, ring_dir: str) -> None:
    forks = 500 if SOAK else 50
    run(
        """
        import os, signal, sys, threading
        from headrace import EventSink
        forks = int(sys.argv[3])
        sink = EventSink(sys.argv[1], ring_dir=sys.argv[2], max_length=None,
                         ring_bytes=1 << 18)
        stop = threading.Event()
        def load():
            while not stop.is_set():
                sink.emit("noise", {"n": -1})
                stop.wait(0.0001)
        thread = threading.Thread(target=load)
        thread.start()
        for n in range(forks):
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                for i in range(3):
                    assert sink.emit("visit", {"n": n * 3 + i})
                left = sink.close(15)
                os._exit(1 if left else 0)
            assert os.waitpid(child, 0)[1] == 0, n
        stop.set()
        thread.join()
        assert sink.flush(10) == 0
        """,
        server.url,
        ring_dir,
        str(forks),
        timeout=300,
    )
    visits = [int(e["n"]) for e in server.events() if e["kind"] == "visit"]
    assert sorted(visits) == list(range(forks * 3))
    assert list(Path(ring_dir).rglob("*.ring")) == []


def test_multiprocessing_children_flush_at_their_end(server: Server, ring_dir: str) -> None:
    for method in ("fork", "spawn", "forkserver"):
        script = Path(ring_dir) / f"by_{method}.py"
        script.write_text(
            textwrap.dedent("""
            import multiprocessing, sys
            from headrace import EventSink

            def work(url, rings, n):
                sink = EventSink(url, ring_dir=rings)
                sink.emit("visit", {"n": n})

            if __name__ == "__main__":
                context = multiprocessing.get_context(sys.argv[3])
                children = [
                    context.Process(target=work, args=(sys.argv[1], sys.argv[2], n))
                    for n in range(3)
                ]
                for child in children:
                    child.start()
                for child in children:
                    child.join()
                    assert child.exitcode == 0
            """)
        )
        subprocess.run(
            [sys.executable, str(script), server.url, ring_dir, method], check=True, timeout=60
        )
        assert sorted(numbers(server)) == [0, 1, 2], method
        server.client.delete("headrace:events")


def test_a_sink_of_the_parent_is_flushed_by_forked_children(server: Server, ring_dir: str) -> None:
    run(
        """
        import sys
        from headrace import EventSink
        sink = EventSink(sys.argv[1], ring_dir=sys.argv[2], linger=0.5)
        sink.emit("visit", {"n": 0})

        import multiprocessing
        context = multiprocessing.get_context("fork")
        child = context.Process(target=sink.emit, args=("visit", {"n": 1}))
        child.start()
        child.join()
        assert child.exitcode == 0
        """,
        server.url,
        ring_dir,
    )
    assert sorted(numbers(server)) == [0, 1]
    assert list(Path(ring_dir).rglob("*.ring")) == []


def test_celery_workers_flush_at_their_end(server: Server, ring_dir: str) -> None:
    # what Celery's pool does: its signal, then os._exit
    run(
        """
        import os, sys
        import celery.signals
        from headrace import EventSink
        sink = EventSink(sys.argv[1], ring_dir=sys.argv[2], linger=0.5)
        child = os.fork()
        if child == 0:
            sink.emit("visit", {"n": 1})
            celery.signals.worker_process_shutdown.send(sender=None, pid=os.getpid(), exitcode=0)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        """,
        server.url,
        ring_dir,
    )
    assert numbers(server) == [1]


def test_exit_while_traffic_is_in_flight_never_crashes(server: Server, ring_dir: str) -> None:
    for n in range(200 if SOAK else 20):
        run(
            """
            import sys, threading, time
            from headrace import EventSink
            sink = EventSink(sys.argv[1], ring_dir=sys.argv[2], ring_bytes=1 << 18, batch=8)
            def load():
                while True:
                    sink.emit("visit", {"n": 1})
            for _ in range(2):
                threading.Thread(target=load, daemon=True).start()
            time.sleep(int(sys.argv[3]) / 2000)
            """,
            server.url,
            ring_dir,
            str(n % 40),
        )
    seen = [event["id"] for event in server.events()]
    assert len(seen) == len(set(seen))


def test_a_killed_process_loses_nothing_that_was_accepted(server: Server, ring_dir: str) -> None:
    rounds = 100 if SOAK else 10
    code = """
        import sys
        from headrace import EventSink
        sink = EventSink(sys.argv[1], ring_dir=sys.argv[2], batch=16, max_length=None)
        n = int(sys.argv[3])
        while True:
            if sink.emit("visit", {"n": n}):
                sys.stdout.write(f"{n}\\n")
                sys.stdout.flush()
                n += 1
        """
    first = 0
    for _ in range(rounds):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), server.url, ring_dir, str(first)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(200)]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.read().splitlines()
        child.wait()
        child.stdout.close()
        # the last number may have been accepted and not been printed
        first = int(lines[-1]) + 2
    run(
        """
        import pathlib, sys, time
        from headrace import EventSink
        sink = EventSink(sys.argv[1], ring_dir=sys.argv[2], max_length=None)
        sink.emit("end", {"n": -1})
        until = time.monotonic() + 60
        while len(list(pathlib.Path(sys.argv[2]).rglob("*.ring"))) > 1:
            assert time.monotonic() < until
            time.sleep(0.01)
        """,
        server.url,
        ring_dir,
    )
    seen = [n for n in numbers(server) if n >= 0]
    assert len(seen) == len(set(seen)), "something arrived twice"
    missing = set(range(first)) - set(seen)
    # only the one number a round that may or may not have been accepted
    assert len(missing) <= rounds
    assert all(n + 1 in seen or n + 1 >= first - 1 for n in missing)
    assert list(Path(ring_dir).rglob("*.ring")) == []


def test_signals_stay_pythons(server: Server, ring_dir: str) -> None:
    run(
        """
        import os, sys
        from headrace import EventSink
        sink = EventSink(sys.argv[1], ring_dir=sys.argv[2])
        sink.emit("visit", {"n": 1})
        sink.flush(5)
        for task in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{task}/status") as file:
                status = dict(line.split(":", 1) for line in file if ":" in line)
            if status["Name"].strip() == "headrace-sink":
                blocked = int(status["SigBlk"], 16)
                assert all(blocked >> (n - 1) & 1 for n in (1, 2, 10, 13, 14, 15))
                break
        else:
            raise SystemExit("no thread of that name")
        """,
        server.url,
        ring_dir,
    )


def test_no_descriptor_is_inherited_by_exec(server: Server, ring_dir: str) -> None:
    out = run(
        """
        import subprocess, sys
        from headrace import EventSink
        sink = EventSink(sys.argv[1], ring_dir=sys.argv[2])
        sink.emit("visit", {"n": 1})
        sink.flush(5)
        print(subprocess.run(["ls", "-l", "/proc/self/fd"], capture_output=True, text=True,
                             close_fds=False).stdout)
        """,
        server.url,
        ring_dir,
    )
    assert "ring" not in out
    assert "eventfd" not in out


def test_a_forked_child_holds_no_descriptor_of_the_parent(server: Server, ring_dir: str) -> None:
    run(
        """
        import os, sys
        from headrace import EventSink
        before = len(os.listdir("/proc/self/fd"))
        sink = EventSink(sys.argv[1], ring_dir=sys.argv[2])
        sink.emit("visit", {"n": 1})
        sink.flush(5)
        child = os.fork()
        if child == 0:
            os._exit(len(os.listdir("/proc/self/fd")) - before)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        """,
        server.url,
        ring_dir,
    )


def test_the_exit_code_stays_the_programs(server: Server, ring_dir: str) -> None:
    run(
        """
        import sys
        from headrace import EventSink
        sink = EventSink(sys.argv[1], ring_dir=sys.argv[2])
        sink.emit("visit", {"n": 1})
        sys.exit(7)
        """,
        server.url,
        ring_dir,
        status=7,
    )
    assert os.listdir(ring_dir) != []
