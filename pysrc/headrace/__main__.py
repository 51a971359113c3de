# SPDX-License-Identifier: MIT
"""The console script ``headrace``, the same as ``python -m headrace``.

    headrace stats [--watch] [--json]     the rings of all processes of this user
    headrace tail URL                     follows the stream, or the `file:`
    headrace doctor URL                   checks a Redis
    headrace consume URL HANDLER          hands events to a function

Nothing here touches a process that serves requests: rings are read from outside, without a lock.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from headrace import __version__, _rings
from headrace._redis_keys import PREFIX, STREAM, Keys, checked_prefix

NEWEST = "$"
CLEAR = "\x1b[H\x1b[2J"
POLL_SECONDS = 0.2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; the exit status: 0, 1 for what was found wrong, 2 for wrong arguments."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["consume"]:
        from headrace.consume.command import main as consume

        return consume(words[1:])
    options = _parser().parse_args(words)
    try:
        status: int = options.run(options)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `headrace tail | head`: nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"headrace {options.command}: {error}", file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="headrace", description="Looks at what headrace does on this machine."
    )
    parser.add_argument("--version", action="version", version=f"headrace {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    stats = commands.add_parser("stats", help="the ledger of all processes of this user")
    stats.add_argument("--watch", action="store_true", help="again every second")
    stats.add_argument("--json", action="store_true", help="one object a line")
    stats.add_argument("--ring-dir", metavar="FOLDER", help="as given to EventSink (/dev/shm)")
    stats.set_defaults(run=_stats)
    tail = commands.add_parser("tail", help="follows the stream, or the file: of a sink")
    tail.add_argument("url", metavar="URL", help="redis://, rediss://, unix:// or file:")
    _add_keys(tail)
    tail.add_argument("--from-start", action="store_true", help="with what is there already")
    tail.add_argument("--json", action="store_true", help="one object a line")
    tail.set_defaults(run=_tail)
    doctor = commands.add_parser("doctor", help="checks a Redis: what delivery does it allow?")
    doctor.add_argument("url", metavar="URL", help="redis://, rediss:// or unix://")
    _add_keys(doctor)
    doctor.add_argument("--ca-file", help="for rediss://: the authorities to trust")
    doctor.set_defaults(run=_doctor)
    commands.add_parser("consume", help="hands the events of a stream to a function")
    return parser


def _add_keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--prefix", type=_prefix, default=PREFIX, help=f"of every key in Redis ({PREFIX})"
    )
    parser.add_argument("--stream", default=STREAM, help=f"({STREAM})")


def _prefix(text: str) -> str:
    try:
        return checked_prefix(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


# --- stats ------------------------------------------------------------------------------------


def _stats(options: argparse.Namespace) -> int:
    while True:
        found = _rings.read(options.ring_dir)
        text = _as_json(found) if options.json else "\n".join(_as_table(found))
        if options.watch and not options.json and sys.stdout.isatty():
            text = CLEAR + text
        print(text, flush=True)
        if not options.watch:
            return 0
        time.sleep(1)


def _as_json(found: _rings.Rings) -> str:
    targets = []
    for target in found.targets:
        mine = found.of(target)
        targets.append(
            {
                "target": target,
                "identity": _identity(mine),
                "total": _rings.summed([*mine.rings, *mine.ended.values()]),
                "ended": mine.ended.get(target),
                "processes": mine.rings,
            }
        )
    return json.dumps({"time": time.time(), "left_alone": found.left_alone, "targets": targets})


def _identity(found: _rings.Rings) -> str:
    known = (*reversed(found.rings), *found.ended.values())
    return next((part["identity"] for part in known if part["identity"]), "")


def _is_shown(found: _rings.Rings) -> bool:
    return bool(found.rings) or any(part["offered"] for part in found.ended.values())


def _as_table(found: _rings.Rings) -> Iterator[str]:
    shown = [target for target in found.targets if _is_shown(found.of(target))]
    if not shown:
        yield "no rings: no process of this user has sent an event since it started"
    for target in shown:
        mine = found.of(target)
        yield _identity(mine) or target
        yield (
            f"  {'pid':>8} {'accepted':>10} {'delivered':>10} {'pending':>8} {'refused':>8} "
            f"{'dropped':>8}  {'ring':>5} {'lag':>7} {'redis':<11} {'round trip':>10} "
            f"{'cache':>6}"
        )
        for ring in mine.rings:
            yield _process_line(ring)
        for ended in mine.ended.values():
            yield _ledger_line("ended", ended)
        total = _rings.summed([*mine.rings, *mine.ended.values()])
        yield _ledger_line("total", total)
        for name in ("refused", "dropped", "tokens", "cookies"):
            if total[name]:
                words = ", ".join(f"{word} {n}" for word, n in sorted(total[name].items()))
                yield f"  {name}: {words}"
        for ring in mine.rings:
            if ring["error"] is not None:
                yield f"  {ring['pid']}: {ring['failures']} attempts failed, last: {ring['error']}"
    if found.left_alone:
        yield f"{found.left_alone} files in the folder are left alone: they cannot be trusted"


def _ledger_line(name: str, part: dict[str, Any]) -> str:
    return (
        f"  {name:>8} {part['accepted']:>10} {part['delivered']:>10} {part['pending']:>8} "
        f"{sum(part['refused'].values()):>8} {sum(part['dropped'].values()):>8}"
    )


def _process_line(ring: dict[str, Any]) -> str:
    lag = f"{max(time.time() - ring['oldest_ms'] / 1000, 0):.1f} s" if ring["oldest_ms"] else "-"
    round_trip = ring["latency"]["round_trip"]
    trip = f"{round_trip['p50'] * 1000:.2f} ms" if round_trip["count"] else "-"
    cache = ring["token_cache"]
    looks = cache["hits"] + cache["misses"]
    rate = f"{cache['hits'] / looks:.0%}" if looks else "-"
    state = ring["state"] if ring["alive"] else "dead"
    fill = f"{ring['used'] / ring['bytes']:.0%}"
    return (
        f"{_ledger_line(str(ring['pid']), ring)}  {fill:>5} {lag:>7} {state:<11} {trip:>10} "
        f"{rate:>6}"
    )


# --- tail -------------------------------------------------------------------------------------


def printable(text: str) -> str:
    """The text without what a terminal would obey: a path is a client's choice."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode()
        for char in text
    )


def _tail(options: argparse.Namespace) -> int:
    events = (
        _follow_file(options.url.removeprefix("file:"), options.from_start)
        if options.url.startswith("file:")
        else _follow_stream(options.url, Keys(options.prefix, options.stream), options.from_start)
    )
    for event in events:
        print(json.dumps(event) if options.json else _event_line(event), flush=True)
    return 0


def _event_line(event: dict[str, str]) -> str:
    try:
        moment = int(event.get("time", ""))
        clock = time.strftime("%H:%M:%S", time.localtime(moment / 1000)) + f".{moment % 1000:03}"
    except (ValueError, OverflowError, OSError):
        clock = "--:--:--.---"
    rest = " ".join(
        f"{printable(name)}={printable(str(value))}"
        for name, value in event.items()
        if name not in ("id", "time", "kind")
    )
    return f"{clock} {printable(event.get('kind', '?'))} {rest}"


def _follow_file(path: str, from_start: bool) -> Iterator[dict[str, str]]:
    """Lines of JSON as they come; goes on in the new file when the old one was moved away."""
    while True:
        try:
            with Path(path).open(encoding="utf-8", errors="replace") as file:
                if not from_start:
                    file.seek(0, os.SEEK_END)
                yield from _lines_of(file, path)
        except FileNotFoundError:
            time.sleep(POLL_SECONDS)
        from_start = True  # a new file is read from its first line


def _lines_of(file: TextIO, path: str) -> Iterator[dict[str, str]]:
    rest = ""
    while True:
        line = file.readline()
        if line.endswith("\n"):
            try:
                event = json.loads(rest + line)
            except ValueError:
                event = None
            rest = ""
            if isinstance(event, dict):
                yield event
            continue
        rest += line
        try:
            moved = os.fstat(file.fileno()).st_ino != Path(path).stat().st_ino
        except FileNotFoundError:
            moved = True
        if moved and not line:
            return
        if not line:
            time.sleep(POLL_SECONDS)


def _follow_stream(url: str, keys: Keys, from_start: bool) -> Iterator[dict[str, str]]:
    """Entries as they come. OSError where only other prefixes have had any."""
    redis = _redis()
    from headrace._redis_hint import hint

    client = redis.Redis.from_url(url, decode_responses=True, encoding_errors="replace")
    last = "0" if from_start else NEWEST
    try:
        others = hint(client, keys)
        if others is not None:
            raise OSError(others)
        while True:
            for _, entries in client.xread({keys.events: last}, count=256, block=1000) or []:
                for entry, fields in entries:
                    last = entry
                    yield fields
    except redis.RedisError as error:
        raise OSError(f"{_without_password(url)}: {error}") from error
    finally:
        client.close()


def _redis() -> Any:
    try:
        import redis
    except ImportError as error:
        raise OSError('this needs redis-py: pip install "redis>=5.1"') from error
    return redis


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


# --- doctor -----------------------------------------------------------------------------------


def _doctor(options: argparse.Namespace) -> int:
    from headrace._redis_doctor import examine

    worst = 0
    for finding in examine(options.url, Keys(options.prefix, options.stream), options.ca_file):
        print(f"  {finding.mark:<5} {finding.name:<14}{printable(finding.text)}", flush=True)
        worst = max(worst, int(finding.is_bad))
    return worst


if __name__ == "__main__":
    sys.exit(main())
