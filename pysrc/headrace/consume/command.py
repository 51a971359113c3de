# SPDX-License-Identifier: MIT
"""The command ``headrace consume``, and what `manage.py headrace_consume` shares with it: options,
signals and progress.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, TextIO

import redis

from headrace._redis_hint import hint
from headrace._redis_keys import PREFIX, STREAM, Keys
from headrace.consume.group import connect
from headrace.consume.handler import Handler, Unavailable, load_handler, named
from headrace.consume.lag import Counts
from headrace.consume.turn import BATCH, CLAIM_AFTER, GROUP, TRIES, Consumer

logger = logging.getLogger("headrace.consume")


class Progress:
    """A line that is written over on a terminal; elsewhere a JSON object a line."""

    def __init__(self, out: TextIO, name: str) -> None:
        self.out = out
        self.name = name
        self.on_terminal = out.isatty()
        self.every = 1.0 if self.on_terminal else 10.0
        self.shown = self.started = time.monotonic()
        self.handled = 0

    def __call__(self, counts: Counts) -> None:
        if time.monotonic() - self.shown >= self.every:
            self.show(counts, self.shown, self.handled)

    def show(self, counts: Counts, since: float, handled: int, end: bool = False) -> None:
        """`since` and `handled`: from when and from which count on the rate is taken."""
        now = time.monotonic()
        rate = (counts.handled - handled) / max(now - since, 1e-3)
        self.shown, self.handled = now, counts.handled
        if not self.on_terminal:
            line = {"time": round(time.time(), 3), "consumer": self.name, "end": end}
            line |= {"rate": round(rate, 1), **asdict(counts)}
            self.out.write(json.dumps(line) + "\n")
        else:
            lag = "?" if counts.lag is None else f"{counts.lag:,}"
            words = [f"{counts.handled:,} events", f"{rate:,.0f}/s", f"lag {lag}"]
            words += [f"behind {counts.behind_ms / 1000:.1f} s", f"dead {counts.dead:,}"]
            words += [f"trimmed unread {counts.trimmed:,}"] if counts.trimmed else []
            self.out.write("\r\x1b[K" + " · ".join(words) + ("\n" if end else ""))
        self.out.flush()

    def end(self, counts: Counts) -> None:
        self.show(counts, self.started, 0, end=True)


@contextmanager
def stopped_by_signals(consumer: Consumer) -> Iterator[None]:
    """SIGTERM and SIGINT finish the batch in hand."""

    def stop(number: int, frame: object) -> None:
        consumer.stop()

    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that `headrace consume` and `manage.py headrace_consume` share."""
    parser.add_argument("--group", default=GROUP, help=f"the consumer group ({GROUP})")
    parser.add_argument("--drain", action="store_true", help="end when nothing is left")
    parser.add_argument("--batch", type=int, default=BATCH, help=f"events a call ({BATCH})")
    parser.add_argument(
        "--tries", type=int, default=TRIES, help=f"of one event, before it is dead ({TRIES})"
    )
    parser.add_argument(
        "--claim-after",
        type=float,
        default=CLAIM_AFTER,
        metavar="SECONDS",
        help=f"take over what another process has not touched for so long ({CLAIM_AFTER:g})",
    )


def run_command(client: redis.Redis, handler: Handler, out: TextIO, **options: Any) -> Counts:
    """`Consumer.run` with signals and progress; `options` are those of `Consumer`, and `drain`."""
    drain = options.pop("drain")
    consumer = Consumer(client, handler, **options)
    progress = Progress(out, consumer.name)
    consumer.report = progress
    with stopped_by_signals(consumer):
        try:
            return consumer.run(drain=drain)
        finally:
            progress.end(consumer.counts)


def main(argv: Sequence[str] | None = None) -> int:
    """`headrace consume URL HANDLER`. The exit status: 0; 1 when it cannot go on."""
    parser = argparse.ArgumentParser(
        prog="headrace consume", description="Hands the events in a Redis to a function."
    )
    parser.add_argument("url", metavar="URL", help="redis://, rediss:// or unix://")
    parser.add_argument("handler", metavar="HANDLER", help="dotted path of handle(events)")
    parser.add_argument("--prefix", default=PREFIX, help=f"of every key ({PREFIX})")
    parser.add_argument("--stream", default=STREAM, help=f"({STREAM})")
    add_arguments(parser)
    options = vars(parser.parse_args(argv))
    url, path = options.pop("url"), options.pop("handler")
    if path.startswith("headrace.django."):
        parser.error(f"{path} needs Django: manage.py headrace_consume {path}")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    if "" not in sys.path:  # a console script's path does not hold the working directory
        sys.path.insert(0, "")
    try:
        handler = load_handler(path)
        client = connect(url)
        Consumer(client, handler, **{k: v for k, v in options.items() if k != "drain"})
    except ValueError as error:
        parser.error(str(error))
    try:
        others = hint(client, Keys(options["prefix"], options["stream"]))
        if others is not None and options["drain"]:
            sys.stderr.write(f"headrace consume: {others}\n")
            return 1
        if others is not None:  # they may be on their way
            logger.warning("headrace: %s", others)
        run_command(client, handler, sys.stdout, **options)
    except (Unavailable, redis.RedisError) as error:
        sys.stderr.write(f"headrace consume: {named(error)}\n")
        return 1
    finally:
        client.close()
    return 0
