# SPDX-License-Identifier: MIT
"""`manage.py <words>` of a Django project as a process, without the second that Python and
Django take to start: it is forked from one that has imported them.
"""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from typing import Any

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.redis.consume_setup"])


def _run(words: tuple[str, ...], database: dict[str, Any], url: str, output: Path) -> None:
    import tests.redis.consume_setup  # noqa: F401 (here already, unless the server is another's)

    for number, suffix in ((1, "out"), (2, "err")):
        file = os.open(output.with_suffix(f".{suffix}"), os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
    os.environ["HEADRACE_SINK"] = url
    from django.core.management import execute_from_command_line
    from django.db import connections

    connections.settings = connections.configure_settings({"default": database})  # type: ignore[misc]
    if "default" in [alias for alias in connections if hasattr(connections._connections, alias)]:
        del connections["default"]  # of no engine: something has looked at it
    execute_from_command_line(["manage.py", *words])


class Running:
    """The process of one command; what it writes goes to files at `output`."""

    def __init__(
        self, words: tuple[str, ...], database: dict[str, Any], url: str, output: Path
    ) -> None:
        self._output = output
        self._process = _context.Process(target=_run, args=(words, database, url, output))
        self._process.start()

    def poll(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    def wait(self, seconds: float = 60) -> int:
        """The exit status, within so many seconds."""
        self._process.join(seconds)
        status = self._process.exitcode
        assert status is not None, f"still running: {self.output}"
        return status

    @property
    def output(self) -> str:
        return self._output.with_suffix(".out").read_text()

    @property
    def errors(self) -> str:
        return self._output.with_suffix(".err").read_text()
