# SPDX-License-Identifier: MIT
"""The report and the admin pages on PostgreSQL, which counts and estimates in its own way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.redis.postgresql import cluster


def test_report_and_pages_on_postgresql(root: Path) -> None:
    with cluster() as database:
        done = subprocess.run(
            [sys.executable, "-m", "tests.django.large_tables"],
            cwd=root,
            env={**os.environ, "TEST_DATABASE": json.dumps(database)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=110,
        )
    assert done.returncode == 0, done.stdout
