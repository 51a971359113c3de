# SPDX-License-Identifier: MIT
"""Prometheus: a collector over the counters in shared memory.

One scrape of any worker shows all of them: there is no multiprocess directory, and what a worker
has counted stays when it ends. docs/reference/metrics.md lists every metric.
"""

from __future__ import annotations

import concurrent.futures
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

try:
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )
    from prometheus_client.metrics_core import Metric
    from prometheus_client.registry import Collector as _Collector
except ImportError as error:
    raise ImportError(
        'metrics need prometheus_client: pip install "prometheus-client>=0.20"'
    ) from error

from headrace import _rings
from headrace._redis_keys import PREFIX, STREAM, Keys

if TYPE_CHECKING:
    from headrace import EventSink

__all__ = ["CONTENT_TYPE", "Collector", "exposition"]

logger = logging.getLogger("headrace.metrics")

CONTENT_TYPE = CONTENT_TYPE_LATEST
REMOTE_SECONDS = 1.0  # a scrape waits no longer for Redis, and for Celery's broker

# Upper limits in seconds of what is shown of the sink's finer histograms.
STAGE_LIMITS = (1e-7, 2.5e-7, 5e-7, 1e-6, 2.5e-6, 5e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0)
LATENCY_LIMITS = (1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0)


class Collector(_Collector):
    """``REGISTRY.register(Collector(sink))``: everything that `sink`'s processes have counted.

    With ``redis_url`` it asks that Redis how long the stream at ``prefix`` and ``stream`` is and
    how far its consumer groups lag; with ``celery_app`` how many tasks wait in ``celery_queues``.
    Neither is waited for longer than a second: what does not answer is left out, and
    ``headrace_redis_up`` is 0.
    """

    def __init__(
        self,
        sink: EventSink,
        *,
        redis_url: str | None = None,
        prefix: str = PREFIX,
        stream: str = STREAM,
        celery_app: Any = None,
        celery_queues: Sequence[str] = ("celery",),
    ) -> None:
        self._sink = sink
        self._redis_url = redis_url
        self._events = Keys(prefix, stream).events
        self._celery_app = celery_app
        self._celery_queues = tuple(celery_queues)
        self._remote = concurrent.futures.ThreadPoolExecutor(2, "headrace-metrics")

    def describe(self) -> Iterable[Metric]:
        """Nothing ahead: registering must not scrape."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric, as of now."""
        remote: list[concurrent.futures.Future[list[Metric]]] = []
        if self._redis_url is not None:
            remote.append(self._remote.submit(_stream_metrics, self._redis_url, self._events))
        if self._celery_app is not None:
            remote.append(
                self._remote.submit(_queue_metrics, self._celery_app, self._celery_queues)
            )
        counted = _rings.counters(self._sink)
        yield from _named(counted.limits, counted.series)
        yield from _ledger(counted.totals)
        yield from _latencies(counted.totals)
        yield from self._workers()
        yield from _memory_limit()
        deadline = time.monotonic() + REMOTE_SECONDS
        for asked in remote:
            try:
                yield from asked.result(max(deadline - time.monotonic(), 0))
            except concurrent.futures.TimeoutError:
                asked.cancel()
                if asked is remote[0] and self._redis_url is not None:
                    yield _redis_up(False)

    def _workers(self) -> Iterator[Metric]:
        ring = self._sink.stats()["ring"]
        try:
            found = _rings.read(ring["ring_dir"])
        except OSError:
            return
        workers = found.of(ring["target"]).workers
        alive = GaugeMetricFamily("headrace_workers", "Processes with a ring that is theirs.")
        alive.add_metric([], len(workers))
        yield alive
        yield from _worker_metrics(workers)


def exposition(collector: Collector) -> bytes:
    """What a scrape gets, of the content type CONTENT_TYPE."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return generate_latest(registry)


# --- counted by name --------------------------------------------------------------------------


def _histogram(name: str, text: str, labels: Sequence[str]) -> HistogramMetricFamily:
    return HistogramMetricFamily(name, text, labels=labels)


def _add(
    family: HistogramMetricFamily,
    labels: Sequence[str],
    limits: Sequence[float],
    counts: Sequence[int],
    seconds: float,
) -> None:
    """One series; `counts` has one number more than there are limits."""
    so_far = 0
    buckets: list[tuple[str, float]] = []
    for limit, count in zip((*limits, float("inf")), counts, strict=True):
        so_far += count
        buckets.append(("+Inf" if limit == float("inf") else repr(limit), float(so_far)))
    family.add_metric(labels, buckets, seconds)


def _named(limits: Sequence[float], rows: Iterable[_rings.Series]) -> Iterator[Metric]:
    requests = _histogram(
        "headrace_request_duration_seconds",
        "Requests, by the route of the URL, method and class of the status.",
        ("route", "method", "status"),
    )
    queries = _histogram(
        "headrace_database_query_duration_seconds",
        "Queries, by the alias of the database.",
        ("alias", "outcome"),
    )
    tasks = _histogram(
        "headrace_task_duration_seconds", "Tasks that were run, by name.", ("task", "outcome")
    )
    cache = CounterMetricFamily(
        "headrace_cache_gets", "Keys asked of a cache, by its alias.", labels=("alias", "result")
    )
    for kind, name, method, outcome, seconds, counts in sorted(rows):
        if kind == "request":
            _add(requests, (name, method, outcome), limits, counts, seconds)
        elif kind == "database":
            _add(queries, (name, outcome), limits, counts, seconds)
        elif kind == "task":
            _add(tasks, (name, outcome), limits, counts, seconds)
        else:
            cache.add_metric((name, outcome), sum(counts))
    yield from (requests, queries, tasks, cache)


# --- the ledger and the latencies -------------------------------------------------------------


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text)
    family.add_metric([], value)
    return family


def _by(name: str, text: str, label: str, counts: dict[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=(label,))
    for word, count in sorted(counts.items()):
        family.add_metric((word,), count)
    return family


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text)
    family.add_metric([], value)
    return family


def _ledger(totals: dict[str, Any]) -> Iterator[Metric]:
    yield _counter("headrace_events_accepted", "Events taken into a ring.", totals["accepted"])
    yield _by(
        "headrace_events_refused", "Events not taken, by reason.", "reason", totals["refused"]
    )
    yield _counter("headrace_events_delivered", "Events that the target has.", totals["delivered"])
    yield _by(
        "headrace_events_dropped",
        "Events accepted, then given up, by reason.",
        "reason",
        totals["dropped"],
    )
    yield _gauge("headrace_events_pending", "Events on their way.", totals["pending"])
    yield _by("headrace_tokens", "Tokens looked at, by outcome.", "outcome", totals["tokens"])
    cache = totals["token_cache"]
    yield _by(
        "headrace_token_cache_lookups",
        "Look-ups in the caches of verified tokens; each process tells its own now and then.",
        "result",
        {"hit": cache["hits"], "miss": cache["misses"]},
    )
    yield _by("headrace_cookies", "Cookies looked at, by outcome.", "outcome", totals["cookies"])
    yield _counter("headrace_fingerprints_minted", "New fingerprints.", totals["minted"])
    yield _counter(
        "headrace_session_errors", "Session commands that failed.", totals["session_errors"]
    )
    adopted = totals["adopted"]
    yield _counter("headrace_rings_adopted", "Rings of the dead.", adopted["rings"])
    yield _counter("headrace_events_adopted", "Events delivered for the dead.", adopted["events"])


def _coarser(found: dict[str, Any], limits: Sequence[float]) -> list[int]:
    """The counts of a finer histogram in fewer buckets: each of its own goes where its upper
    limit lies.
    """
    counts = [0] * (len(limits) + 1)
    for upper, count in found["buckets"]:
        at = next((i for i, limit in enumerate(limits) if upper <= limit), len(limits))
        counts[at] += count
    return counts


def _latencies(totals: dict[str, Any]) -> Iterator[Metric]:
    stages = _histogram(
        "headrace_stage_duration_seconds",
        "Where the time of requests goes; one request in 16 is measured.",
        ("stage",),
    )
    for stage, found in totals["stages"].items():
        _add(stages, (stage,), STAGE_LIMITS, _coarser(found, STAGE_LIMITS), found["sum"])
    yield stages
    for name, text in (
        ("queue", "From emit until the event is sent."),
        ("server", "From the last byte sent to the first reply."),
        ("round_trip", "From the first byte sent to the last reply of a batch."),
    ):
        found = totals["latency"][name]
        family = _histogram(f"headrace_delivery_{name}_seconds", text, ())
        _add(family, (), LATENCY_LIMITS, _coarser(found, LATENCY_LIMITS), found["sum"])
        yield family


# --- workers ----------------------------------------------------------------------------------


def _worker_metrics(workers: Sequence[dict[str, Any]]) -> Iterator[Metric]:
    now = time.time()
    gauges: list[tuple[str, str, Callable[[dict[str, Any]], float | None]]] = [
        ("headrace_worker_resident_bytes", "Memory of the process.", lambda ring: ring["rss"]),
        ("headrace_ring_bytes", "Size of its ring.", lambda ring: ring["bytes"]),
        ("headrace_ring_used_bytes", "What of it is in use.", lambda ring: ring["used"]),
        (
            "headrace_sink_connected",
            "1: its last batch was delivered; 0: it waits, or has had none yet.",
            lambda ring: float(ring["state"] == "connected"),
        ),
        (
            "headrace_sink_lag_seconds",
            "Age of the oldest event that waits.",
            lambda ring: max(now - ring["oldest_ms"] / 1000, 0.0) if ring["oldest_ms"] else 0.0,
        ),
    ]
    for name, text, value_of in gauges:
        family = GaugeMetricFamily(name, text, labels=("pid",))
        for ring in workers:
            value = value_of(ring)
            if value is not None:
                family.add_metric((str(ring["pid"]),), value)
        yield family


def _memory_limit() -> Iterator[Metric]:
    limit = memory_limit()
    if limit is not None:
        yield _gauge("headrace_memory_limit_bytes", "Of the container, else the machine.", limit)


def memory_limit() -> int | None:
    """Bytes that all processes here may have: the control group's limit, else the machine's."""
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(path).read_text().strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < 1 << 60:  # "max", or as good as none
            return int(text)
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


# --- asked of others --------------------------------------------------------------------------


def _redis_up(up: bool) -> Metric:
    return _gauge("headrace_redis_up", "Did the Redis of the stream answer?", float(up))


def _stream_metrics(url: str, stream: str) -> list[Metric]:
    """Length of the stream, and how far each consumer group is behind."""
    import redis

    client = redis.Redis.from_url(
        url, socket_timeout=REMOTE_SECONDS, socket_connect_timeout=REMOTE_SECONDS
    )
    try:
        length = int(client.xlen(stream))
        groups: Any = client.xinfo_groups(stream) if length else []
    except redis.ResponseError:
        length, groups = 0, []
    except redis.RedisError:
        return [_redis_up(False)]
    finally:
        client.close()
    lag = GaugeMetricFamily(
        "headrace_stream_lag", "Entries that a group has not been given.", labels=("group",)
    )
    pending = GaugeMetricFamily(
        "headrace_stream_pending", "Entries given, not acknowledged.", labels=("group",)
    )
    for group in groups:
        name = group["name"]
        label = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
        if group.get("lag") is not None:  # before Redis 7, and after trimming, it is not known
            lag.add_metric((label,), group["lag"])
        pending.add_metric((label,), group["pending"])
    return [
        _redis_up(True),
        _gauge("headrace_stream_length", "Entries of the stream.", length),
        lag,
        pending,
    ]


def _queue_metrics(app: Any, queues: Sequence[str]) -> list[Metric]:
    """How many tasks wait, by queue; a queue that is not there has none."""
    family = GaugeMetricFamily(
        "headrace_celery_queue_length", "Tasks that wait.", labels=("queue",)
    )
    try:
        with app.connection_for_read(connect_timeout=REMOTE_SECONDS) as connection:
            connection.ensure_connection(max_retries=1, timeout=REMOTE_SECONDS)
            for queue in queues:
                try:
                    found = connection.default_channel.queue_declare(queue=queue, passive=True)
                except connection.channel_errors:
                    family.add_metric((queue,), 0)
                else:
                    family.add_metric((queue,), found.message_count)
    except Exception as error:  # a broker's errors are of many kinds
        logger.warning("headrace: Celery's broker does not answer: %r", error)
    return [family]
