# SPDX-License-Identifier: MIT
"""A new project and one MIDDLEWARE line: no setting, no app, no service."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.project import BIN, environment, fetch, free_port, serve, start_project

TESTS = """
from django.test import TestCase

class PageTest(TestCase):
    def test_page(self):
        response = self.client.get("/admin/login/", headers={"sec-fetch-mode": "navigate"})
        self.assertEqual(response.status_code, 200)
        self.assertIn("device_fp", response.cookies)
        self.assertEqual(response.wsgi_request.visit.label, "track")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return start_project(tmp_path)


def manage(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "manage.py", *words],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_manage_py_test(project: Path) -> None:
    (project / "fresh/tests.py").write_text(TESTS)
    done = manage(project, "test")
    assert done.returncode == 0, done.stderr
    assert "Ran 1 test" in done.stderr


@pytest.mark.parametrize("command", [["check"], ["migrate", "--run-syncdb"]])
def test_commands_have_nothing_to_say(project: Path, command: list[str]) -> None:
    done = manage(project, *command)
    assert done.returncode == 0, done.stderr
    assert "headrace" not in done.stdout + done.stderr


def test_gunicorn(project: Path) -> None:
    """DEBUG is on in a new project: events go to a file that git does not see."""
    port = free_port()
    command = [str(BIN / "gunicorn"), "-b", f"127.0.0.1:{port}", "fresh.wsgi"]
    with serve(project, command, port) as running:
        first = fetch(port, "/", **{"Sec-Fetch-Mode": "navigate"})
        assert first.status == 200
        assert first.headers["Set-Cookie"].startswith("device_fp=")
        log = running.stop()
    assert "Traceback" not in log
    [event] = map(json.loads, (project / ".headrace/events.ndjson").read_text().splitlines())
    assert (event["kind"], event["path"], event["status"]) == ("request", "/", "200")
    assert (project / ".headrace/.gitignore").read_text().strip() == "*"
