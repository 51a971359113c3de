# SPDX-License-Identifier: MIT
"""What the network, the machine and the process can do to a sink, a test for each."""

from __future__ import annotations

import itertools
import os
import socket
import statistics
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace import EventSink
from tests.redis.conftest import SOAK, Server
from tests.redis.fault import Fault, Proxy, Script, random_cuts
from tests.redis.test_errors import detail_of, error_of, numbers, sink_for, wait_for

Start = Callable[..., Server]

SHIM = r"""
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <errno.h>
    #include <netdb.h>
    #include <pthread.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <unistd.h>
    /* What a file in $SHIM says: "<seconds> <address>" for the name redis.test,
     * or "threads" where no thread can be had. */
    static void read_shim(char *text, size_t size)
    {
        FILE *file = fopen(getenv("SHIM"), "r");
        size_t got = file != NULL ? fread(text, 1, size - 1, file) : 0;
        text[got] = '\0';
        if (file != NULL)
            fclose(file);
    }
    int getaddrinfo(const char *node, const char *service,
                    const struct addrinfo *hints, struct addrinfo **result)
    {
        int (*real)(const char *, const char *, const struct addrinfo *,
                    struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
        char text[200], address[100];
        unsigned pause;
        if (node == NULL || strcmp(node, "redis.test") != 0)
            return real(node, service, hints, result);
        if (hints->ai_flags & AI_NUMERICHOST)
            return EAI_NONAME;
        read_shim(text, sizeof(text));
        if (sscanf(text, "%u %99s", &pause, address) != 2)
            return EAI_NONAME;
        sleep(pause);
        return real(address, service, hints, result);
    }
    int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                       void *(*run)(void *), void *context)
    {
        int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                    void *) = dlsym(RTLD_NEXT, "pthread_create");
        char text[200];
        read_shim(text, sizeof(text));
        return strncmp(text, "threads", 7) == 0
                   ? EAGAIN : real(thread, attributes, run, context);
    }
"""


@pytest.fixture(scope="module")
def shim_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.c").write_text(textwrap.dedent(SHIM))
    library = folder / "shim.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", library, folder / "shim.c", "-ldl"], check=True
    )
    return library


@pytest.fixture
def shim(shim_library: Path, tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "LD_PRELOAD": str(shim_library), "SHIM": str(tmp_path / "shim.txt")}


def run(code: str, *arguments: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=env,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def deaf() -> Iterator[socket.socket]:
    """Takes connections and never reads."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


# --- names and addresses -----------------------------------------------------------------------


def test_a_slow_name_holds_up_nobody(
    start_server: Start, ring_dir: str, shim: dict[str, str]
) -> None:
    port = _free_port()
    server = start_server("--port", str(port), "--bind", "127.0.0.1")
    Path(shim["SHIM"]).write_text("2 127.0.0.1")
    out = run(
        """
        import sys, time
        from headrace import EventSink
        sink = EventSink(f"redis://redis.test:{sys.argv[1]}", ring_dir=sys.argv[2],
                         connect_timeout=0.2, reconnect=(0.01, 0.02))
        start = time.monotonic()
        for n in range(1000):
            assert sink.emit("visit", {"n": n})
        emitted = time.monotonic() - start
        assert sink.flush(0.4) == 1000
        connection = sink.stats()["connection"]
        assert connection["error"] == "resolve", connection
        assert "connect_timeout" in connection["detail"], connection
        assert sink.flush(20) == 0
        print(emitted < 1)
        """,
        str(port),
        ring_dir,
        env=shim,
    )
    assert out == "True\n"
    assert numbers(server) == list(range(1000))


def test_exit_does_not_wait_for_a_slow_name(ring_dir: str, shim: dict[str, str]) -> None:
    Path(shim["SHIM"]).write_text("30 127.0.0.1")
    start = time.monotonic()
    run(
        """
        import sys
        from headrace import EventSink
        sink = EventSink("redis://redis.test:1", ring_dir=sys.argv[1], exit_timeout=0.2)
        sink.emit("visit", {"n": 0})
        """,
        ring_dir,
        env=shim,
    )
    assert time.monotonic() - start < 20


def test_a_name_that_moves_is_followed(
    start_server: Start, ring_dir: str, shim: dict[str, str], tmp_path: Path
) -> None:
    """A failover: the old primary turns read-only, the name leads to the new one."""
    port = _free_port()
    old = start_server("--port", str(port), "--bind", "127.0.0.1")
    (tmp_path / "new").mkdir()
    new = Server(tmp_path / "new", "--port", str(port), "--bind", "127.0.0.2")
    Path(shim["SHIM"]).write_text("0 127.0.0.1")
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(
                """
                import sys
                from headrace import EventSink
                sink = EventSink(f"redis://redis.test:{sys.argv[1]}", ring_dir=sys.argv[2],
                                 reconnect=(0.01, 0.05))
                for line in sys.stdin:
                    assert sink.emit("visit", {"n": int(line)})
                    print(sink.flush(20), flush=True)
                """
            ),
            str(port),
            ring_dir,
        ],
        env=shim,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None

    def emit(n: int) -> str:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(f"{n}\n")
        child.stdin.flush()
        return child.stdout.readline()

    assert emit(0) == "0\n"
    new.command("REPLICAOF", "127.0.0.1", str(port))
    wait_for(lambda: new.client.info("replication")["master_link_status"] == "up")
    wait_for(lambda: numbers(new) == [0])
    new.command("REPLICAOF", "NO", "ONE")
    Path(shim["SHIM"]).write_text("0 127.0.0.2")
    old.command("REPLICAOF", "127.0.0.2", str(port))
    assert emit(1) == "0\n"
    assert numbers(new) == [0, 1]
    child.communicate(timeout=30)
    assert child.returncode == 0
    new.client.close()
    new.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return port_of(probe)


# --- peers that do not talk ----------------------------------------------------------------------


def test_a_connection_that_is_never_taken_times_out(ring_dir: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        crowd = []
        for _ in range(4):  # more than the backlog: further SYNs are dropped
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
            crowd.append(one)
        sink = sink_for(
            f"redis://127.0.0.1:{port_of(listener)}", ring_dir, connect_timeout=0.1, exit_timeout=0
        )
        sink.emit("visit", {"n": 0})
        wait_for(lambda: sink.stats()["connection"]["failures"] >= 2)
        assert error_of(sink) == "timeout"
        assert "connect_timeout" in detail_of(sink)
        sink.close(0)
        for one in crowd:
            one.close()


def test_a_server_that_never_reads_blocks_nobody(deaf: socket.socket, ring_dir: str) -> None:
    sink = sink_for(
        f"redis://127.0.0.1:{port_of(deaf)}",
        ring_dir,
        command_timeout=0.1,
        ring_bytes=1 << 20,
        exit_timeout=0,
    )
    answers = [sink.emit("visit", {"n": n}) for n in range(100_000)]
    accepted = answers.count(True)
    wait_for(lambda: sink.stats()["connection"]["failures"] >= 2)
    stats = sink.stats()
    assert stats["connection"]["error"] == "timeout"
    assert (stats["pending"], stats["refused"]) == (accepted, {"full": 100_000 - accepted})
    start = time.monotonic()
    assert sink.flush(0.2) == accepted
    assert time.monotonic() - start >= 0.2
    sink.close(0)


def test_a_server_that_reads_and_never_answers_leaves_the_batch_in_doubt(
    server: Server, folder: Path, ring_dir: str
) -> None:
    """The batch was applied; the answer never came. It must not be sent twice."""

    class Mute(Fault):
        def __init__(self) -> None:
            self.armed = False

        def up(self, data: bytes) -> bytes | None:
            self.armed = self.armed or b"XADD" in data
            return data

        def down(self, data: bytes) -> bytes | None:
            if self.armed:
                time.sleep(0.4)
            return data

    plans = iter([Mute(), Mute()])
    proxy = Proxy(folder, server.socket, lambda: next(plans, Fault()))
    sink = sink_for(proxy.url, ring_dir, command_timeout=0.1)
    for n in range(50):
        sink.emit("visit", {"n": n})
    assert sink.flush(20) == 0
    assert numbers(server) == list(range(50))
    assert sink.stats()["connection"]["failures"] >= 1
    sink.close()
    proxy.close()


def test_an_answer_that_drips_for_ever_ends_at_the_batch_deadline(
    server: Server, folder: Path, ring_dir: str
) -> None:
    """The deadline is the batch's, not that of each read."""

    class Drip(Proxy):
        def _pump(self, source: Any, sink: Any, change: Any, pair: Any) -> None:
            if source is pair[0] or self.connections > 1:
                super()._pump(source, sink, change, pair)
                return
            try:
                sink.sendall(source.recv(65536))  # the greeting
                while data := source.recv(65536):
                    for at in range(len(data)):
                        sink.sendall(data[at : at + 1])
                        time.sleep(0.02)
            except OSError:
                pass

    proxy = Drip(folder, server.socket, Fault)
    sink = sink_for(proxy.url, ring_dir, command_timeout=0.3)
    for n in range(100):
        sink.emit("visit", {"n": n})
    assert sink.flush(20) == 0
    assert numbers(server) == list(range(100))
    assert sink.stats()["connection"]["failures"] >= 1
    sink.close()
    proxy.close()


def test_a_long_way_costs_one_round_trip_a_batch(
    server: Server, folder: Path, ring_dir: str
) -> None:
    class Far(Fault):
        def down(self, data: bytes) -> bytes | None:
            time.sleep(0.2)
            return data

    proxy = Proxy(folder, server.socket, Far)
    sink = EventSink(proxy.url, ring_dir=ring_dir, batch=256, max_length=None)
    assert all(sink.emit("visit", {"n": n}) for n in range(1024))
    assert sink.flush(20) == 0
    calls = server.client.info("commandstats")["cmdstat_exec"]["calls"]
    assert calls <= 1 + 5, "one for the greeting, one a batch"
    assert numbers(server) == list(range(1024))
    sink.close()
    proxy.close()


def test_a_narrow_pipe_takes_a_batch_in_pieces(server: Server, ring_dir: str) -> None:
    """Writes are cut short by the socket's buffer, over and over."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def serve() -> None:
            client, _ = listener.accept()
            with client, socket.socket(socket.AF_UNIX) as upstream:
                upstream.connect(str(server.socket))

                def back() -> None:
                    while data := upstream.recv(1 << 16):
                        client.sendall(data)

                threading.Thread(target=back, daemon=True).start()
                while data := client.recv(700):
                    upstream.sendall(data)
                upstream.shutdown(socket.SHUT_RDWR)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        sink = EventSink(f"redis://127.0.0.1:{port_of(listener)}", ring_dir=ring_dir, linger=0.2)
        for n in range(200):
            assert sink.emit("visit", {"n": n, "text": "x" * 2000})
        assert sink.flush(20) == 0
        assert numbers(server) == list(range(200))
        assert sink.stats()["connection"]["failures"] == 0
        sink.close()
        thread.join(10)


# --- the server comes and goes -------------------------------------------------------------------


def test_a_server_that_lost_its_data_is_filled_anew(server: Server, ring_dir: str) -> None:
    sink = sink_for(server.url, ring_dir)
    sink.emit("visit", {"n": 0})
    assert sink.flush(5) == 0
    server.kill()
    sink.emit("visit", {"n": 1})
    server.start()
    assert sink.flush(5) == 0
    assert numbers(server) == [1]
    sink.close()


def test_a_full_disk_keeps_everything(folder: Path, ring_dir: str) -> None:
    """Redis on a file system of 4 MB that fills up; then there is room again."""
    start = (
        f"mount -t tmpfs -o size=4m tmpfs {folder}/disk && exec redis-server --port 0"
        f" --unixsocket {folder}/redis.sock --dir {folder}/disk --appendonly yes --save ''"
        " --auto-aof-rewrite-percentage 0"
    )
    (folder / "disk").mkdir()
    mapped = [] if os.geteuid() == 0 else ["-r"]
    process = subprocess.Popen(
        ["unshare", *mapped, "-m", "sh", "-c", start],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    server = Server.__new__(Server)
    server.process = process
    server.client = _client_of(folder)
    wait_for(lambda: (folder / "redis.sock").exists())
    sink = EventSink(
        f"unix://{folder}/redis.sock", ring_dir=ring_dir, reconnect=(0.01, 0.05), max_length=None
    )
    emitted = 0
    deadline = time.monotonic() + 30
    while "MISCONF" not in detail_of(sink):
        assert time.monotonic() < deadline, sink.stats()
        if sink.emit("visit", {"n": emitted, "text": "x" * 2000}):
            emitted += 1
        if emitted % 50 == 0:
            sink.flush(0.05)
    stats = sink.stats()
    assert stats["connection"]["error"] == "server"
    assert stats["pending"] > 0
    # An append-only file that may be given up, so that there is room again.
    server.client.config_set("appendonly", "no")
    assert sink.flush(20) == 0
    assert numbers(server) == list(range(emitted))
    assert sink.stats()["dropped"] == {}
    sink.close()
    server.client.close()
    server.kill()


def _client_of(folder: Path) -> Any:
    import redis

    return redis.Redis(unix_socket_path=str(folder / "redis.sock"), decode_responses=True)


def test_waits_grow_to_the_longest_and_no_further(folder: Path, ring_dir: str) -> None:
    script = Script(folder, lambda *_: None, b"-ERR max number of clients reached\r\n")
    times: list[float] = []
    greeting = script.greeting

    class Noted(bytes):
        def __bool__(self) -> bool:
            times.append(time.monotonic())
            return True

    script.greeting = Noted(greeting)
    sink = EventSink(script.url, ring_dir=ring_dir, reconnect=(0.02, 0.16), exit_timeout=0)
    sink.emit("visit", {"n": 0})
    wait_for(lambda: len(times) >= 10)
    sink.close(0)
    script.close()
    # the first ten: closing tries once more, at once
    gaps = [b - a for a, b in itertools.pairwise(times[:10])]
    # -25 % to +50 % of 20, 40, 80, 160, 160, ... ms; a wait that the machine makes longer may take
    # from the next, so not each by itself
    assert sum(gaps[:3]) >= 0.9 * 0.75 * (0.02 + 0.04 + 0.08)
    assert statistics.median(gaps[4:]) >= 0.9 * 0.75 * 0.16
    assert len({round(gap, 3) for gap in gaps[4:]}) > 1, "jitter"


def test_many_sinks_do_not_come_back_at_once(folder: Path, ring_dir: str) -> None:
    script = Script(folder, lambda *_: None, b"-ERR max number of clients reached\r\n")
    times: list[float] = []

    class Noted(bytes):
        def __bool__(self) -> bool:
            times.append(time.monotonic())
            return True

    script.greeting = Noted(script.greeting)
    count = 32
    sinks = [
        EventSink(
            script.url,
            ring_dir=ring_dir,
            stream=f"s{n}",
            reconnect=(1.0, 1.0),
            ring_bytes=65536,
            exit_timeout=0,
        )
        for n in range(count)
    ]
    for sink in sinks:
        sink.emit("visit", {"n": 0})
    wait_for(lambda: len(times) >= 2 * count)
    second = sorted(times)[count : 2 * count]
    assert second[-1] - second[0] >= 0.25, "they come back within 0.75 to 1.5 s, each by chance"
    for sink in sinks:
        sink.close(0)
    script.close()


# --- the process ---------------------------------------------------------------------------------


def test_every_connection_is_watched(start_server: Start, ring_dir: str) -> None:
    """TCP_USER_TIMEOUT, keepalive and no delay, on the first socket and on the next one."""
    port = _free_port()
    server = start_server("--port", str(port), "--bind", "127.0.0.1")
    sink = sink_for(f"redis://127.0.0.1:{port}", ring_dir, command_timeout=1.5)
    for n in range(2):
        sink.emit("visit", {"n": n})
        assert sink.flush(5) == 0
        with _socket_to(port) as ours:
            assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1500
            assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
            assert not ours.get_inheritable()
        server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    sink.close()


def _socket_to(port: int) -> socket.socket:
    """A copy of this process's connection to `port`."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if not os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                continue
            copy = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue
        try:
            if copy.family == socket.AF_INET and copy.getpeername()[1] == port:
                return copy
        except OSError:
            pass
        copy.close()
    raise AssertionError("no connection")


def test_without_descriptors_it_waits_for_some(server: Server, ring_dir: str) -> None:
    run(
        """
        import os, resource, sys, time
        from headrace import EventSink
        sink = EventSink(sys.argv[1], ring_dir=sys.argv[2], reconnect=(0.01, 0.02))
        sink.emit("visit", {"n": 0})
        assert sink.flush(5) == 0
        sink.close()
        sink = EventSink(sys.argv[1], ring_dir=sys.argv[2], reconnect=(0.01, 0.02), linger=0.5)
        sink.emit("visit", {"n": 1})
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        last = max(int(name) for name in os.listdir("/proc/self/fd"))
        spare = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (last + 1, hard))
        until = time.monotonic() + 0.2
        while time.monotonic() < until:  # the thread gives back what it had open
            try:
                spare.append(os.dup(0))
            except OSError:
                time.sleep(0.001)
        assert sink.flush(0.3) == 1
        connection = sink.stats()["connection"]
        assert "open files" in connection["detail"], connection
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for one in spare:
            os.close(one)
        assert sink.flush(5) == 0
        """,
        server.url,
        ring_dir,
    )
    assert numbers(server) == [0, 1]


def test_without_a_thread_events_wait_for_one(
    server: Server, ring_dir: str, shim: dict[str, str]
) -> None:
    Path(shim["SHIM"]).write_text("threads")
    run(
        """
        import os, sys, time
        from headrace import EventSink
        sink = EventSink(sys.argv[1], ring_dir=sys.argv[2])
        for n in range(10):
            assert sink.emit("visit", {"n": n})
        assert sink.flush(0.2) == 10
        assert "thread" in sink.stats()["connection"]["detail"], sink.stats()
        os.unlink(os.environ["SHIM"])
        time.sleep(1.1)
        assert sink.emit("visit", {"n": 10})
        assert sink.flush(5) == 0
        """,
        server.url,
        ring_dir,
        env=shim,
    )
    assert numbers(server) == list(range(11))


def test_a_broken_pipe_does_not_end_the_process(
    server: Server, folder: Path, ring_dir: str
) -> None:
    proxy = Proxy(folder, server.socket, random_cuts(3, 5_000))
    run(
        """
        import signal, sys
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        from headrace import EventSink
        sink = EventSink(sys.argv[1], ring_dir=sys.argv[2], batch=20, reconnect=(0.001, 0.002))
        for n in range(400):
            assert sink.emit("visit", {"n": n})
        assert sink.flush(30) == 0
        """,
        proxy.url,
        ring_dir,
    )
    assert proxy.cuts > 3
    assert numbers(server) == list(range(400))
    proxy.close()


def test_no_thread_before_the_first_event(server: Server, ring_dir: str) -> None:
    run(
        """
        import os, sys
        from headrace import EventSink
        sink = EventSink(sys.argv[1], ring_dir=sys.argv[2])
        assert len(os.listdir("/proc/self/task")) == 1
        sink.emit("visit", {"n": 0})
        assert len(os.listdir("/proc/self/task")) == 2
        """,
        server.url,
        ring_dir,
    )


def test_events_of_a_child_that_just_leaves_are_adopted(server: Server, ring_dir: str) -> None:
    run(
        """
        import os, sys
        from headrace import EventSink
        sink = EventSink(sys.argv[1], ring_dir=sys.argv[2], linger=5)
        if os.fork() == 0:
            sink.emit("visit", {"n": 0})
            os._exit(0)
        os.wait()
        sink.emit("visit", {"n": 1})
        assert sink.flush(5) == 0
        import pathlib, time
        until = time.monotonic() + 20
        while len(list(pathlib.Path(sys.argv[2]).rglob("*.ring"))) > 1:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert sink.stats()["adopted"]["events"] == 1, sink.stats()
        """,
        server.url,
        ring_dir,
    )
    assert sorted(numbers(server)) == [0, 1]


def test_emit_from_everywhere_at_the_end(server: Server, ring_dir: str) -> None:
    """Signal handlers, destructors and threads emit while the interpreter ends."""
    for _ in range(200 if SOAK else 3):
        run(
            """
            import atexit, signal, sys, threading
            from headrace import EventSink
            sink = EventSink(sys.argv[1], ring_dir=sys.argv[2], ring_bytes=1 << 18)

            class Late:
                def __del__(self, sink=sink):
                    sink.emit("visit", {"n": -2})

            def load():
                while True:
                    sink.emit("visit", {"n": -1})

            late = Late()
            late.itself = late
            atexit.register(sink.emit, "visit", {"n": -3})
            signal.signal(signal.SIGALRM, lambda *_: sink.emit("visit", {"n": -4}))
            signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
            for _ in range(2):
                threading.Thread(target=load, daemon=True).start()
            for n in range(500):
                sink.emit("visit", {"n": n})
            signal.setitimer(signal.ITIMER_REAL, 0)
            """,
            server.url,
            ring_dir,
        )
    ids = [event["id"] for event in server.events()]
    assert len(ids) == len(set(ids))


def test_two_sinks_of_one_process_do_not_mix(server: Server, ring_dir: str) -> None:
    one = sink_for(server.url, ring_dir, stream="one")
    two = sink_for(server.url, ring_dir, stream="two")
    for n in range(100):
        assert (one if n % 2 else two).emit("visit", {"n": n})
    assert one.flush(5) == two.flush(5) == 0
    one.close()
    assert two.emit("visit", {"n": 100})
    two.close()
    assert [int(event["n"]) for event in server.events("one")] == list(range(1, 100, 2))
    assert [int(event["n"]) for event in server.events("two")] == list(range(0, 101, 2))
