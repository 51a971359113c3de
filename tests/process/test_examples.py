# SPDX-License-Identifier: MIT
"""The small examples run as a reader would run them, with a real server and a real Redis."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.oracle.jws import SECRET, make_token
from tests.process.project import BIN, free_port, serve
from tests.redis.conftest import Server, folder, server

__all__ = ["folder", "server"]

COMMANDS = {
    "flask": [str(BIN / "gunicorn"), "app:app", "-b", "127.0.0.1:{port}"],
    "fastapi": [str(BIN / "uvicorn"), "app:app", "--port", "{port}"],
}


def get(port: int, path: str, **headers: str) -> tuple[int, dict[str, object]]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.parametrize("name", COMMANDS)
def test_example(name: str, root: Path, tmp_path: Path, server: Server) -> None:
    app = root / "examples" / name / "app.py"
    code = [line for line in app.read_text().splitlines() if line.strip()]
    assert len(code) <= 30
    (tmp_path / "app.py").write_text(app.read_text())
    secret = SECRET if isinstance(SECRET, str) else SECRET.decode()
    variables = {"TOKEN_SECRET": secret, "COOKIE_SECRET": "another", "SINK": server.url}
    port = free_port()
    command = [word.format(port=port) for word in COMMANDS[name]]
    bearer = f"Bearer {make_token(user_id=7)}"
    with serve(tmp_path, command, port, **variables) as running:
        navigate = {"Sec-Fetch-Mode": "navigate"}
        assert get(port, "/", **navigate) == (
            200,
            {"label": "track", "user": None, "new": True},
        )
        status, body = get(port, "/account/")
        assert (status, body["code"]) == (401, "not_authenticated")
        assert get(port, "/account/", Authorization=bearer) == (
            200,
            {"label": "account", "user": "7", "new": False},
        )
        log = running.stop()
    assert "Traceback" not in log
    deadline = time.monotonic() + 10
    while len(server.events()) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    events = server.events()
    assert {event["plan"] for event in events if event["status"] == "200"} == {"pro"}
