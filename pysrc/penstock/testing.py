# SPDX-License-Identifier: MIT
"""Help for the tests of a site: the events that a piece of code caused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import overload

from penstock._core import EventSink


class CapturedEvents(Sequence[dict[str, str]]):
    """The events since the block began, read anew at every look. Dicts of str, as in Redis."""

    def __init__(self, sink: EventSink) -> None:
        self.sink = sink
        self._start = len(sink.captured())

    def _events(self) -> list[dict[str, str]]:
        return self.sink.captured()[self._start :]

    def of_kind(self, kind: str) -> list[dict[str, str]]:
        return [event for event in self._events() if event["kind"] == kind]

    def __len__(self) -> int:
        return len(self._events())

    @overload
    def __getitem__(self, index: int) -> dict[str, str]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, str]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, str] | list[dict[str, str]]:
        return self._events()[index]

    def __eq__(self, other: object) -> bool:
        return self._events() == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._events())


@contextmanager
def captured_events(sink: EventSink | None = None) -> Iterator[CapturedEvents]:
    """The events that the block causes in `sink`, whose target must be `memory:`.

    Without one, the sink that Django is configured with; where that is another target, give
    `PENSTOCK = {"SINK": "memory:"}` in the settings of the tests. ValueError otherwise.
    """
    if sink is None:
        from penstock.django import sink as configured

        sink = configured()
        if sink is None:
            raise ValueError('captured_events: PENSTOCK["SINK"] is off; set it to "memory:"')
    yield CapturedEvents(sink)
