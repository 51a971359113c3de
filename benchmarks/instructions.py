# SPDX-License-Identifier: MIT
"""How many instructions do the eight hot calls take? Counted under callgrind, so without noise.

The counts of one machine are kept in instructions.json, with all that they depend on: the
processor's flags, the compiler, the libraries, the Python. Where all of it is the same,
tests/process/test_instructions.py refuses a call that has grown by more than a twentieth.

    python benchmarks/instructions.py            counts, and compares with what is kept
    python benchmarks/instructions.py --write    keeps the counts (make instructions)

Valgrind's processor has no SHA extensions, so that hashing weighs more here than in a benchmark.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
KEPT = HERE / "instructions.json"
CALLS = 1000  # a count is of so many calls in a row
GROWTH = 1.05
HOT = (
    *("verify cached", "verify HS256", "path label", "cookie read", "cookie mint"),
    *("emit", "enter", "finish"),
)
PLANTED = "planted"  # not one of the eight: the cookie read again, with more to read

SECRET = "a secret of the benchmarks, long enough for all"
OTHERS = "csrftoken=abcdefghijklmnopqrstuvwxyz012345; theme=dark; lang=en; _ga=GA1.2.3.4; "
FIELDS = {"user": "1234567", "plan": "pro", "path": "/community/7/", "n": 7, "ok": True}
RESPONSE = [("Content-Type", "text/html"), ("Content-Length", "512")]


# --- in the process that is counted ------------------------------------------


def hot_calls() -> dict[str, Callable[[int], object]]:
    """By name, what runs a call so many times."""
    from headrace import EventSink, FingerprintCookie, Gate, Key, PathFilter, TokenVerifier

    key = Key.secret(SECRET, algorithm="HS256")
    cached, anew = TokenVerifier([key]), TokenVerifier([key], cache_size=0)
    text = make_token()
    paths = PathFilter({"skip": ["/static/", "/media/", "=/health/"], "api": ["/api/"]})
    cookie = FingerprintCookie(keys=[SECRET])
    fingerprint = cookie.mint()
    header = f"{OTHERS}device_fp={fingerprint.value}"
    longer = "wanted=by nobody; " * 8 + header
    sink = EventSink("file:/dev/null", ring_bytes=16 << 20)
    sink.emit("warm", {})  # the sink's thread starts here
    gate = Gate(verifier=cached, paths=paths, fingerprint=cookie, sink=sink)
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/community/7/",
        "HTTP_ACCEPT": "text/html",
        "HTTP_COOKIE": header,
        "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
        "REMOTE_ADDR": "192.0.2.1",
        "wsgi.url_scheme": "http",
    }
    visits: list[Any] = []

    def repeat(call: Callable[..., object], *arguments: object) -> Callable[[int], object]:
        def run(count: int) -> None:
            for _ in range(count):
                call(*arguments)

        return run

    def enter(count: int) -> None:
        visits.extend(map(gate.enter, itertools.repeat(environ, count)))

    def finish(count: int) -> None:
        batch = visits[:count]
        del visits[:count]
        for visit in batch:
            visit.finish(200, RESPONSE)

    return {
        "verify cached": repeat(cached.verify, text),
        "verify HS256": repeat(anew.verify, text),
        "path label": repeat(paths.label, "/community/1234/members/"),
        "cookie read": repeat(cookie.read, header),
        "cookie mint": repeat(cookie.mint),
        "emit": repeat(sink.emit, "signup", FIELDS),
        "enter": enter,
        "finish": finish,
        PLANTED: repeat(cookie.read, longer),
        "nothing": repeat(len, ()),
    }


def make_token() -> str:
    """An access token of some 300 bytes, signed without help."""
    import base64
    import hashlib
    import hmac

    def encoded(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    now = int(time.time())
    claims = {
        "token_type": "access",
        "exp": now + 86400,
        "iat": now - 10,
        "user_id": "12345",
        "jti": "b5f1c5a1c7b94c0d8a7f2f0e9d3c4b2a",
        "iss": "https://example.org/",
    }
    parts = [encoded(json.dumps(part).encode()) for part in ({"alg": "HS256"}, claims)]
    message = ".".join(parts)
    return f"{message}.{encoded(hmac.digest(SECRET.encode(), message.encode(), hashlib.sha256))}"


def be_counted(library: str) -> None:
    """Runs each call CALLS times between two requests to callgrind."""
    counting = ctypes.CDLL(library)
    for name, run in hot_calls().items():
        run(CALLS)  # what happens once only has happened
        counting.counting_start()
        run(CALLS)
        counting.counting_stop(name.encode())
    os._exit(0)  # no need to hand in the events


# --- in the process that counts ----------------------------------------------


def build(source: Path, folder: Path) -> Path:
    library = folder / "counting.so"
    command = ["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(source)]
    subprocess.run(command, check=True)
    return library


def python() -> str:
    """The program itself: valgrind would count the instructions of a shell in its place."""
    program = os.path.realpath(sys.executable)
    with open(program, "rb") as file:
        if file.read(4) != b"\x7fELF":
            raise SystemExit(f"{program} is no ELF program")
    return sys.executable


def count() -> dict[str, int]:
    """Instructions of one call, the thread of the caller only, less those of an empty loop."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library = build(HERE / "instructions.c", folder)
        tool = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes"]
        out = f"--callgrind-out-file={folder}/out"
        program = [python(), "-X", "utf8", str(HERE / "instructions.py"), "--count", str(library)]
        environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDEVMODE": "0"}
        environment.pop("LD_PRELOAD", None)
        done = subprocess.run(
            [*tool, out, *program], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise SystemExit(f"{done.stderr[-3000:]}\nvalgrind ended with {done.returncode}")
        found: dict[str, int] = {}
        for file in folder.glob("out.*-01"):
            text = file.read_text()
            name_of = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.M)
            total = re.search(r"^(?:totals|summary): (\d+)", text, re.M)
            if name_of and total:
                found[name_of[1]] = int(total[1])
    loop = found.pop("nothing")
    return {call: round((found[call] - loop) / CALLS) for call in (*HOT, PLANTED)}


def version_of(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


def circumstances() -> dict[str, str]:
    """All that a count depends on beside our own sources."""
    from headrace import TokenVerifier

    flags = re.search(r"^(?:flags|Features)\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    compiler = os.environ.get("CC", "gcc").split()[0]
    options = " ".join(filter(None, map(sysconfig.get_config_var, ("CC", "OPT", "CFLAGS"))))
    return {
        "cpu_flags": " ".join(sorted(flags[1].split())) if flags else platform.machine(),
        "compiler": version_of([compiler, "--version"]),
        "crypto": TokenVerifier._engines()["openssl"],
        "libc": " ".join(platform.libc_ver()),
        "python": f"{sys.version} {options}",
        "valgrind": version_of(["valgrind", "--version"]),
    }


def differences(kept: dict[str, str], here: dict[str, str]) -> list[str]:
    """Which of the circumstances are not the same."""
    return [name for name in here if kept.get(name) != here[name]]


def grown(kept: dict[str, int], counted: dict[str, int]) -> dict[str, str]:
    """The calls that take more than a twentieth more instructions than what is kept."""
    return {
        name: f"{kept[name]} instructions are kept, {counted[name]} were counted"
        for name in kept
        if counted[name] > kept[name] * GROWTH
    }


def load() -> dict[str, Any]:
    """What is kept: `circumstances` and `instructions`."""
    kept: dict[str, Any] = json.loads(KEPT.read_text())
    return kept


def main() -> int:
    if sys.argv[1:2] == ["--count"]:
        be_counted(sys.argv[2])
    counted = count()
    planted = counted.pop(PLANTED)
    here = circumstances()
    kept = load() if KEPT.exists() else {"circumstances": {}, "instructions": {}}
    changed = differences(kept["circumstances"], here)
    for name, instructions in counted.items():
        before = kept["instructions"].get(name)
        print(f"  {name:<20}{instructions:8,}   kept {before or '-'}")
    print(f"  {'(cookie read, more)':<20}{planted:8,}")
    if changed:
        print(f"other circumstances than where the kept ones were counted: {', '.join(changed)}")
    if "--write" in sys.argv[1:]:
        content = {"circumstances": here, "instructions": counted}
        KEPT.write_text(json.dumps(content, indent=2) + "\n")
    elif not changed and (larger := grown(kept["instructions"], counted)):
        print("\n".join(f"{name}: {text}" for name, text in larger.items()))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
