# SPDX-License-Identifier: MIT
"""Runs the blocks of one page, in order, in a process and a folder of its own.

    python -m tests.docs.run_page page folder redis-port

In all blocks port 6379 stands for the private Redis, and 8000 for a free port. A block that
assigns settings is tried as the settings of a site: the checks, the middleware, one request.
"""

from __future__ import annotations

import ast
import configparser
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import tomllib
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from tests.docs.pages import ROOT, Block, blocks

SECRET = "only for the examples of the documentation: fifty bytes and more"
SITE: dict[str, Any] = {
    "DEBUG": False,
    "SECRET_KEY": SECRET,
    "ALLOWED_HOSTS": ["*"],
    "USE_TZ": True,
    "ROOT_URLCONF": "tests.docs.site_urls",
    "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
    "INSTALLED_APPS": [
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "headrace.django",
    ],
    "MIDDLEWARE": [
        "headrace.django.middleware.HeadraceMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    "STATIC_URL": "/static/",
    "REST_FRAMEWORK": {},
    "SIMPLE_JWT": {},
    "SILENCED_SYSTEM_CHECKS": [],
    "HEADRACE": {},
}
ELLIPSIS = re.compile(r"(?:\.\.\.|…)")


class Failed(Exception):
    """A block that does not do what the page says."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def matches(expected: str, actual: str) -> bool:
    """Whether output is as written, where `...` stands for anything."""
    parts = [re.escape(part) for part in ELLIPSIS.split(expected.strip())]
    return re.fullmatch(".*".join(parts), actual.strip(), re.DOTALL) is not None


def commands(text: str) -> list[tuple[str, str]]:
    """The commands of a console block, and the output that is shown under each."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif found and (found[-1][0].endswith("\\") or line.startswith("> ")):
            found[-1] = (f"{found[-1][0]}\n{line.removeprefix('> ')}", "")
        elif found:
            found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
        elif line.strip():
            raise Failed(f"a line before the first command: {line!r}")
    return found


def is_settings(tree: ast.Module) -> bool:
    """Whether a block is a piece of a settings module: its top level assigns settings."""
    for node in tree.body:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AugAssign | ast.AnnAssign)
            else []
        )
        for target in targets:
            base = target.value if isinstance(target, ast.Subscript) else target
            if isinstance(base, ast.Name) and (base.id in SITE or base.id == "LOGGING"):
                return True
    return False


def filled(name: str, value: Any) -> Any:
    """A setting with `...` in it, the rest of the site's list in its place."""
    if name == "INSTALLED_APPS":  # `+=` of an app that the site has already
        value = list(dict.fromkeys(value))
    if isinstance(value, list) and Ellipsis in value:
        named = [item for item in value if item is not Ellipsis]
        rest = [item for item in SITE[name] if item not in named]
        at = value.index(Ellipsis)
        return [*named[:at], *rest, *named[at:]]
    return value


class Runner:
    """The state that the blocks of a page share."""

    def __init__(self, folder: Path, redis_port: int) -> None:
        self.folder = folder
        self.ports = {"6379": str(redis_port), "8000": str(free_port())}
        self.servers: list[subprocess.Popen[bytes]] = []
        # what hidden blocks may call, so that a page shows only what it is about
        self.hidden = {
            "startproject": self.startproject,
            "manage": self.manage,
            "start": self.start,
        }
        self.names: dict[str, Any] = {"__name__": "example"}
        self.django = False
        self.page = ""

    # --- Python ---------------------------------------------------------------------------

    def start_django(self) -> None:
        if self.django:
            return
        import django
        from django.conf import settings

        redis = f"redis://127.0.0.1:{self.ports['6379']}/0"
        settings.configure(**{**SITE, "HEADRACE": {"SINK": redis}})
        django.setup()
        self.django = True

    def python(self, block: Block) -> None:
        # Padded, so that a traceback names the page's own line.
        source = "\n" * (block.line - 1) + block.text
        tree = ast.parse(source, self.page)
        if is_settings(tree):
            self.settings(compile(tree, self.page, "exec"))
            return
        if "django" in block.text or "rest_framework" in block.text or "ninja" in block.text:
            self.start_django()
        names = self.names if block.order != "setup" else {**self.hidden, **self.names}
        exec(compile(tree, self.page, "exec"), names)
        if block.order == "setup":
            self.names.update(
                {name: value for name, value in names.items() if name not in self.hidden}
            )

    def settings(self, code: Any) -> None:
        import copy
        import logging.config

        from django.core import checks
        from django.core.exceptions import MiddlewareNotUsed
        from django.test import Client, override_settings

        self.start_django()
        names = {**self.names, **copy.deepcopy(SITE)}
        exec(code, names)
        given = {
            name: filled(name, value)
            for name, value in names.items()
            if name.isupper() and (name in SITE or name == "LOGGING") and name not in self.names
        }
        logs = given.pop("LOGGING", None)
        if logs:
            logging.config.dictConfig({**logs, "disable_existing_loggers": False})
        given.pop("DATABASES")
        with override_settings(**given):
            wrong = [found for found in checks.run_checks() if found.is_serious()]
            if wrong:
                raise Failed("\n".join(map(str, wrong)))
            from headrace.django.middleware import HeadraceMiddleware

            try:
                HeadraceMiddleware(lambda request: None)  # type: ignore[arg-type,return-value]
            except MiddlewareNotUsed:
                return
            answer = Client().get("/", headers={"sec-fetch-mode": "navigate"})
            if answer.status_code >= 500:
                raise Failed(f"the site answers {answer.status_code}")

    # --- what hidden blocks call ------------------------------------------------------------

    def startproject(self) -> None:
        """The site that the tutorial ends its second step with."""
        self.shell("django-admin startproject mysite .")
        settings = f"""
INSTALLED_APPS += ["headrace.django"]
MIDDLEWARE.insert(0, "headrace.django.middleware.HeadraceMiddleware")
HEADRACE = {{"NAME": "mysite", "SINK": "redis://127.0.0.1:{self.ports["6379"]}/0"}}
"""
        self.write(Block(0, "python", settings, "append", "mysite/settings.py"), "a")

    def manage(self, *words: str) -> None:
        self.shell(shlex.join(["python", "manage.py", *words]))

    def start(self, command: str) -> None:
        """A process that listens on no port, ended with the page."""
        self.launch(command)

    # --- commands -------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        left_out = ("DJANGO_SETTINGS_MODULE", "PYTHONWARNINGS", "PYTHONPATH", "PYTHONDEVMODE")
        kept = {name: value for name, value in os.environ.items() if name not in left_out}
        # of the environment that is tested: this one, or one with a wheel in it
        scripts = os.environ.get("HEADRACE_EXAMPLES_BIN") or Path(sys.executable).parent
        path = f"{scripts}:{kept['PATH']}"
        return {**kept, "PATH": path, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}

    def shell(self, command: str) -> str:
        """Runs a command; what it printed, where it ended with 0."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode != 0:
            raise Failed(f"$ {command}\nended with {done.returncode}\n{done.stdout}")
        return done.stdout

    def console(self, block: Block) -> None:
        for command, expected in commands(block.text):
            printed = self.shell(command)
            if expected.strip() and not matches(expected, printed):
                raise Failed(f"$ {command}\nprinted\n{printed}\nnot\n{expected}")

    def launch(self, command: str) -> tuple[subprocess.Popen[bytes], Path]:
        log = self.folder / "server.log"
        with log.open("wb") as output:
            server = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self.folder,
                env=self.environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.servers.append(server)
        return server, log

    def serve(self, block: Block) -> None:
        self.stop()
        port = int(self.ports.get(block.argument, block.argument))
        [(command, _)] = commands(block.text)
        server, log = self.launch(command)
        deadline = time.monotonic() + 120
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise Failed(f"$ {command}\n{log.read_text()}") from None
                time.sleep(0.05)

    def stop(self) -> None:
        """Ends the servers as an operator does, so that what they hold is delivered."""
        for server in self.servers:
            if server.poll() is None:
                # to the master alone: uWSGI's workers may hang when they get one too, see
                # docs/how-to/uwsgi.md
                server.send_signal(signal.SIGTERM)
            server.wait(timeout=60)  # Celery's may take 30 s
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)  # the child of runserver's reloader
        self.servers.clear()

    # --- files and data -------------------------------------------------------------------

    def write(self, block: Block, mode: str) -> None:
        path = self.folder / block.argument
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode) as file:
            file.write(block.text if mode == "w" else f"\n\n{block.text}")

    def run(self, block: Block) -> None:
        text = block.text
        for known, ours in self.ports.items():
            text = re.sub(rf"\b{known}\b", ours, text)
        block = Block(block.line, block.language, text, block.order, block.argument)
        if block.order == "skip:":
            return
        if block.order in {"file", "append"}:
            self.write(block, "w" if block.order == "file" else "a")
        elif block.order == "serve":
            self.serve(block)
        else:
            HOW[block.language](self, block)


def nothing(runner: Runner, block: Block) -> None:
    """Text and drawings are no code."""


HOW: dict[str, Callable[[Runner, Block], object]] = {
    "": nothing,
    "text": nothing,
    "python": Runner.python,
    "console": Runner.console,
    "json": lambda runner, block: json.loads(block.text),
    "toml": lambda runner, block: tomllib.loads(block.text),
    "yaml": lambda runner, block: list(yaml.safe_load_all(block.text)),
    "ini": lambda runner, block: configparser.ConfigParser().read_string(block.text),
}


def main() -> int:
    """Answers 1, and prints what went wrong, where a block fails."""
    page, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    runner = Runner(folder, int(sys.argv[3]))
    runner.page = str(page.relative_to(ROOT))
    sys.path.insert(0, str(folder))
    os.chdir(folder)
    try:
        for block in blocks(page.read_text()):
            try:
                runner.run(block)
            except BaseException as error:
                if not isinstance(error, Failed):
                    traceback.print_exc()
                sys.stdout.write(f"{runner.page}:{block.line}: {error!r}\n{error}\n")
                for log in folder.glob("*.log"):
                    sys.stdout.write(f"--- {log}\n{log.read_text()}\n")
                return 1
    finally:
        runner.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
