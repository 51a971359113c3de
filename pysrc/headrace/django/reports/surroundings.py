# SPDX-License-Identifier: MIT
"""What stands beside the requests in a report: queries, caches, processes, the benchmark."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from django.core.cache import caches
from django.db import Error, connections, transaction

from headrace import _rings
from headrace.django.measure.statements import masked
from headrace.django.reports.figures import Section
from headrace.django.site import configured

CPU_SECONDS: Final = 0.5  # over which the use of the processor is measured
MOST_STATEMENTS: Final = 50


# --- queries ----------------------------------------------------------------------------------


def server_statements() -> Iterator[Section]:
    """What PostgreSQL itself has kept, for each database that has pg_stat_statements."""
    for alias in connections:
        connection = connections[alias]
        if connection.vendor != "postgresql":
            continue
        rows = _pg_stat_statements(connection)
        if rows is not None:
            yield Section(
                f"pg_stat_statements_{alias}",
                f"Statements of the database {alias}",
                ["statement", "calls", "mean ms", "most ms", "total s"],
                rows,
                "From pg_stat_statements, since its last reset; of all clients.",
            )


def _pg_stat_statements(connection: Any) -> list[list[Any]] | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'pg_stat_statements'")
        if cursor.fetchone() is None:
            return None
        try:
            with transaction.atomic(using=connection.alias):  # an error ends no outer transaction
                cursor.execute(
                    "SELECT query, calls, mean_exec_time, max_exec_time, total_exec_time / 1000 "
                    "FROM pg_stat_statements WHERE dbid = "
                    "(SELECT oid FROM pg_database WHERE datname = current_database()) "
                    "ORDER BY total_exec_time DESC LIMIT %s",
                    [MOST_STATEMENTS],
                )
        except Error:  # not in shared_preload_libraries, or not allowed
            return None
        return [
            [masked(query, "postgresql"), calls, round(mean, 2), round(most, 2), round(total, 2)]
            for query, calls, mean, most, total in cursor.fetchall()
        ]


# --- caches -----------------------------------------------------------------------------------


def cache_stats() -> Section:
    """One line a cache: what it can say of itself, and what all workers have counted."""
    rows: list[list[Any]] = []
    sink = configured().sink
    shared = None if sink is None else _rings.counters(sink)
    counted = {} if shared is None else _keys_asked(shared.series)
    whose = "all workers" if shared is not None and shared.of_all else "this process only"
    for alias in caches.settings:
        cache = caches[alias]
        name = f"{type(cache).__module__}.{type(cache).__qualname__}"
        try:
            entries, hits, misses, note = _of_cache(cache)
        except Exception as error:  # a cache that is down is a line, not the end of the report
            entries, hits, misses, note = None, None, None, f"{type(error).__name__}: {error}"
        if alias in counted:
            hits, misses = counted[alias]
            note += f"; hits and misses of {whose}, as METRICS counts them"
        rows.append([alias, name, entries, hits, misses, note])
    verifier = configured().verifier
    if verifier is not None:
        info = verifier.cache_info()
        figures: list[Any] = [info.size, info.hits, info.misses]
        if shared is not None and shared.of_all:
            looked = shared.totals["token_cache"]
            figures = [None, looked["hits"], looked["misses"]]
        note = f"hits and misses of {whose}"
        rows.append(["verified tokens", "headrace.TokenVerifier", *figures, note])
    return Section(
        "caches",
        "Caches",
        ["cache", "backend", "entries", "hits", "misses", "note"],
        rows,
    )


def _keys_asked(series: Iterable[_rings.Series]) -> dict[str, tuple[int, int]]:
    """Hits and misses by alias."""
    found: dict[str, dict[str, int]] = {}
    for kind, alias, _method, outcome, _seconds, counts in series:
        if kind == "cache":
            found.setdefault(alias, {})[outcome] = sum(counts)
    return {alias: (by.get("hit", 0), by.get("miss", 0)) for alias, by in found.items()}


def _of_cache(cache: Any) -> list[Any]:
    """Entries, hits, misses and a remark; None where the backend cannot say."""
    client = _redis_client(cache)
    if client is not None:
        stats, keyspace = client.info("stats"), client.info("keyspace")
        database = client.connection_pool.connection_kwargs.get("db", 0)
        entries = keyspace.get(f"db{database}", {}).get("keys", 0)
        note = "hits and misses of the whole Redis server"
        return [entries, stats["keyspace_hits"], stats["keyspace_misses"], note]
    inner: Any = getattr(cache, "_cache", None)
    if isinstance(inner, dict):
        return [len(inner), None, None, "in this process only: the workers have their own"]
    if hasattr(inner, "stats"):
        servers: Any = inner.stats()
        found = servers.values() if isinstance(servers, dict) else [s for _, s in servers]
        sums = [
            sum(int(_named(server, name)) for server in found)
            for name in ("curr_items", "get_hits", "get_misses")
        ]
        return [*sums, f"{len(list(found))} memcached servers"]
    table = getattr(cache, "_table", None)
    if table is not None:
        from django.db import router

        using = router.db_for_read(cache.cache_model_class)
        connection = connections[using]
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM {connection.ops.quote_name(table)}")
            return [cursor.fetchone()[0], None, None, f"table {table}"]
    folder = getattr(cache, "_dir", None)
    if folder is not None:
        return [len(cache._list_cache_files()), None, None, str(folder)]
    return [None, None, None, "says nothing of itself"]


def _named(server: Any, name: str) -> Any:
    return server.get(name, server.get(name.encode(), 0))


def _redis_client(cache: Any) -> Any:
    """Of Django's own Redis cache, and of django-redis."""
    inner: Any = getattr(cache, "_cache", None)
    if hasattr(inner, "get_client") and hasattr(cache, "_class"):
        return inner.get_client() if "redis" in type(cache).__module__ else None
    if type(cache).__module__.startswith("django_redis"):
        return cache.client.get_client(write=False)
    return None


# --- processes --------------------------------------------------------------------------------


def workers() -> Section:
    """RSS and CPU of this user's processes that have the extension loaded, but for this one."""
    first = {pid: _cpu_seconds(pid) for pid in _pids()}
    start = time.monotonic()
    time.sleep(CPU_SECONDS)
    rows: list[list[Any]] = []
    for pid, before in first.items():
        with suppress(OSError, ValueError, IndexError):
            after = _cpu_seconds(pid)
            spent = (after - before) / (time.monotonic() - start)
            rows.append(
                [
                    pid,
                    _command(pid),
                    round(_rss(pid) / 2**20, 1),
                    round(100 * spent, 1),
                    round(after, 1),
                    _threads(pid),
                ]
            )
    rows.sort(key=lambda row: -row[2])
    return Section(
        "system",
        "Worker processes",
        ["pid", "command", "RSS MiB", "CPU %", "CPU s", "threads"],
        rows,
        f"Of this user on this host; CPU % over {CPU_SECONDS:g} s.",
    )


def _pids() -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        if pid == os.getpid():
            continue
        with suppress(OSError):
            if folder.stat().st_uid != os.getuid():
                continue
            if "/headrace/_core" in (folder / "maps").read_text(errors="replace"):
                yield pid


def _stat(pid: int) -> list[str]:
    """The fields after the name, which may hold blanks and brackets."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()


def _cpu_seconds(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _threads(pid: int) -> int:
    return int(_stat(pid)[17])


def _rss(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _command(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return b" ".join(words).decode(errors="replace").strip()[:120]


# --- the benchmark ----------------------------------------------------------------------------


def benchmark(path: str, rounds: int) -> Section:
    """What the doctor measures: what headrace adds to a request of this site."""
    from headrace.django.operate import doctor

    with doctor.measuring():
        found = doctor.measure(path, rounds)
        status, whole = doctor.whole_request(path, rounds)
    rows = [
        [measured.kind, name, *(round(value / 1000, 2) for value in (c.median, c.low, c.high))]
        for measured in found
        for name, c in (
            ("before the view", measured.enter),
            ("after the view", measured.leave),
            ("added in all", measured.added),
        )
    ]
    costs = [round(value / 1000, 2) for value in (whole.median, whole.low, whole.high)]
    rows.append([f"whole request, answered {status}", "without headrace", *costs])
    return Section(
        "benchmark",
        f"What headrace adds to GET {path}",
        ["request", "step", "median µs", "95 % from", "to"],
        rows,
        "Measured in this process, events into memory.",
    )
