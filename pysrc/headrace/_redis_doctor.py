# SPDX-License-Identifier: MIT
"""What a Redis allows: the sink itself connects to it, to a stream of its own that is removed
again, and says which level of delivery it reached and why not a better one.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from headrace import EventSink
from headrace._redis_keys import Keys

SECONDS = 5.0
MINIMUM = (6, 2)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: ``mark`` is ``ok``, ``warn`` or ``BAD``."""

    mark: str
    name: str
    text: str

    @property
    def is_bad(self) -> bool:
        return self.mark == "BAD"


def examine(url: str, keys: Keys, ca_file: str | None = None) -> Iterator[Finding]:
    """Everything that matters about this Redis. ValueError for a URL that cannot be parsed."""
    probe = Keys(keys.prefix, f"{keys.stream}:headrace-doctor-{secrets.token_hex(4)}")
    delivery, why, delivered = _deliver(url, probe, ca_file)
    if delivered:
        level = "ok" if delivery == "exactly-once" else "warn"
        yield Finding(level, "delivery", f"{delivery}{why}")
    else:
        yield Finding("BAD", "delivery", f"no event arrived{why}")
    try:
        import redis
    except ImportError:
        yield Finding("warn", "more", 'needs redis-py: pip install "redis>=5.1"')
        return
    options: dict[str, Any] = {} if ca_file is None else {"ssl_ca_certs": ca_file}
    client = redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=SECONDS,
        socket_connect_timeout=SECONDS,
        **options,
    )
    try:
        yield from _look(client, redis, keys)
    except redis.RedisError as error:
        yield Finding("BAD", "connection", str(error))
    finally:
        _remove(client, redis, probe)
        client.close()


def _deliver(url: str, keys: Keys, ca_file: str | None) -> tuple[str, str, bool]:
    """The level that one event reached, what is said of it, and whether it arrived."""
    sink = EventSink(
        url,
        prefix=keys.prefix,
        stream=keys.stream,
        ring_dir="",
        ca_file=ca_file,
        ring_bytes=65536,
    )
    try:
        sink.emit("doctor")
        left = sink.flush(SECONDS)
        stats = sink.stats()
    finally:
        sink.close(0)
    detail = stats["connection"]["detail"] or stats["connection"]["error"] or ""
    return stats["delivery"], f": {detail}" if detail else "", left == 0


def _remove(client: Any, redis: Any, keys: Keys) -> None:
    try:
        entry = client.xrange(keys.events, count=1)
        client.delete(keys.events)
        if entry:
            producer = entry[0][1].get("id", "").rpartition("-")[0]
            client.delete(keys.marker(producer))
    except redis.RedisError:
        return


def _look(client: Any, redis: Any, keys: Keys) -> Iterator[Finding]:
    try:
        info = client.info()
    except redis.exceptions.NoPermissionError:
        yield Finding("warn", "INFO", "not allowed: version, memory and persistence are not known")
        info = {}
    if info:
        yield _version(info)
        yield _memory(info)
        yield _persistence(info)
        yield _role(info)
    yield _acl(client, redis, keys)
    from headrace._redis_hint import hint

    try:
        length = client.xlen(keys.events)
    except redis.RedisError as error:
        yield Finding("BAD", "stream", f"{keys.events}: {error}")
        return
    others = hint(client, keys)
    if others is None:
        yield Finding("ok", "stream", f"{keys.events} has {length} entries")
    else:
        yield Finding("BAD", "stream", others)


def _version(info: dict[str, Any]) -> Finding:
    version = str(info.get("redis_version", "?"))
    try:
        known = tuple(int(part) for part in version.split(".")[:2])
    except ValueError:
        known = (0, 0)
    if known < MINIMUM:
        return Finding("BAD", "version", f"{version}: headrace needs 6.2 or newer")
    return Finding("ok", "version", version)


def _memory(info: dict[str, Any]) -> Finding:
    limit = int(info.get("maxmemory", 0))
    policy = str(info.get("maxmemory_policy", "?"))
    used = int(info.get("used_memory", 0))
    if limit == 0:
        return Finding("ok", "memory", f"{used >> 20} MiB used, no limit")
    text = f"{used >> 20} of {limit >> 20} MiB used, maxmemory-policy {policy}"
    if policy != "noeviction":
        return Finding(
            "warn", "memory", f"{text}: it may throw events and markers away; set noeviction"
        )
    return Finding("ok" if used < 0.8 * limit else "warn", "memory", text)


def _persistence(info: dict[str, Any]) -> Finding:
    if int(info.get("aof_enabled", 0)):
        return Finding("ok", "persistence", "append-only file: a restart loses a second at most")
    if int(info.get("rdb_last_save_time", 0)) and int(info.get("rdb_saves", 1)):
        return Finding(
            "warn",
            "persistence",
            "snapshots only: a crash loses what came since the last one; set appendonly yes",
        )
    return Finding("warn", "persistence", "none: a restart loses the stream")


def _role(info: dict[str, Any]) -> Finding:
    role = str(info.get("role", "?"))
    if int(info.get("cluster_enabled", 0)):
        return Finding("BAD", "role", "a cluster, which is not supported yet")
    if role != "master":
        return Finding("BAD", "role", f"{role}: events go to a master")
    return Finding("ok", "role", f"master, {info.get('connected_slaves', 0)} replicas")


WITHOUT = {  # what is lost without a command
    "CLIENT KILL": "a batch whose answer is lost may come twice",
    "EVAL": "sessions are written by plain commands",
}


def _needed(keys: Keys) -> dict[str, tuple[str, ...]]:
    """A call of each command that the sink needs."""
    return {
        "MULTI": ("MULTI",),
        "EXEC": ("EXEC",),
        "XADD": ("XADD", keys.events, "*", "k", "v"),
        "SET": ("SET", keys.marker("x"), "1"),
        "GET": ("GET", keys.marker("x")),
        "EVAL": ("EVAL", "return 1", "0"),
        "CLIENT KILL": ("CLIENT", "KILL", "ID", "1"),
        "CLIENT ID": ("CLIENT", "ID"),
    }


def _acl(client: Any, redis: Any, keys: Keys) -> Finding:
    """Redis 7 can be asked without doing it; an older one answers what the sink found out."""
    try:
        user = client.acl_whoami()
    except redis.RedisError:
        user = "?"
    missing = []
    for name, command in _needed(keys).items():
        try:
            answer = client.execute_command("ACL", "DRYRUN", user, *command)
        except redis.RedisError:
            return Finding("ok", "ACL", f"user {user}; the server cannot be asked what it may do")
        if answer != "OK":
            missing.append(name)
    if not missing:
        return Finding("ok", "ACL", f"user {user} may do all that is needed")
    texts = [f"{name} ({WITHOUT[name]})" if name in WITHOUT else name for name in missing]
    mark = "warn" if all(name in WITHOUT for name in missing) else "BAD"
    return Finding(mark, "ACL", f"user {user} may not: {', '.join(texts)}")
