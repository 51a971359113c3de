# SPDX-License-Identifier: MIT
"""A private PostgreSQL cluster on a Unix socket, as root under the account `postgres`."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def _programs() -> Path:
    """The folder of initdb: Debian keeps it off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    path = str(found[-1]) if found else shutil.which("initdb")
    assert path, "PostgreSQL is not installed: tools/bootstrap dev"
    return Path(path).parent


@contextlib.contextmanager
def cluster() -> Iterator[dict[str, Any]]:
    """Starts a cluster; answers Django's settings of a database in it."""
    folder = Path(tempfile.mkdtemp(prefix="hr-pg-"))
    as_user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL does not run as root
        shutil.chown(folder, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    programs = _programs()
    data = folder / "data"

    def run(program: str, *words: str) -> None:
        command = [*as_user, str(programs / program), *words]
        # Its own output to a file: the server inherits it, and a pipe would never end.
        with (folder.parent / f"{folder.name}.log").open("ab") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, cwd=folder, timeout=60)

    options = f"-c listen_addresses='' -c fsync=off -k {folder}"
    options += " -c shared_preload_libraries=pg_stat_statements"
    try:
        run("initdb", "-D", str(data), "-A", "trust", "-U", "postgres", "-E", "UTF8", "-N")
        run("pg_ctl", "-D", str(data), "-w", "-o", options, "start")
        yield {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "USER": "postgres",
            "HOST": str(folder),
        }
    finally:
        with contextlib.suppress(subprocess.SubprocessError):
            run("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)
        folder.with_name(f"{folder.name}.log").unlink(missing_ok=True)
