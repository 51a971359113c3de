# SPDX-License-Identifier: MIT
"""A core file includes only files above it in this list; libraries have one door each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "ext" / "core"
BINDING = ROOT / "ext" / "binding"

# From the bottom up. A header that is a contract alone stands at the place of its module;
# config.h is only numbers, and under all of them.
ORDER = """
config status
span alloc clock buf crc32c base64url json fork_guard wake
jws
signature keyring signature_openssl signature_libjwt random
claims
token token_cache
verifier
cookie request fingerprint agent client_address derived shared_cache
path_rule path_tree path_filter
event stats metrics ring ring_file ring_view totals batch
redis_error redis_url redis_tls resolve redis_link redis_command redis_hello
session_touch redis_batch
target delivery
target_file target_memory
sink
request_event
gate
""".split()

# Which modules may include which library, by the start of the header's path.
DOORS = {
    "openssl/": {"signature_openssl", "signature_libjwt", "keyring", "redis_tls"},
    "jwt.h": {"signature_libjwt"},
    "hiredis": {"redis_link", "redis_command"},
    "Python.h": set(),
}

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"(?P<own>[^"]+)"|<(?P<system>[^>]+)>)', re.M)


def module_of(path: Path) -> str:
    """`keyring` for keyring.c, keyring.h and its parts keyring_pem.c, keyring_jwk.c.

    A part is a file of a module in the list, with a suffix of its own; it has its module's
    place and doors.
    """
    if path.stem in ORDER:
        return path.stem
    owners = [name for name in ORDER if path.stem.startswith(f"{name}_")]
    return max(owners, key=len, default=path.stem)


def core_files() -> list[Path]:
    return sorted([*CORE.glob("*.c"), *CORE.glob("*.h")])


def wrong_includes(path: Path, text: str) -> list[str]:
    """What is wrong with the includes of a core file, one line each."""
    module = module_of(path)
    if module not in ORDER:
        return [f"{path.name} is not in the list"]
    wrong = []
    for include in INCLUDE.finditer(text):
        own, system = include["own"], include["system"]
        if own is not None:
            other = module_of(Path(own))
            if "/" in own:
                wrong.append(f"{path.name} includes {own}, outside of the core")
            elif other not in ORDER or ORDER.index(other) > ORDER.index(module):
                wrong.append(f"{path.name} includes {own}, which is not above it")
        else:
            wrong += [
                f"{path.name} includes <{system}>"
                for start, allowed in DOORS.items()
                if system.startswith(start) and module not in allowed
            ]
    return wrong


@pytest.mark.parametrize("path", core_files(), ids=lambda path: path.name)
def test_core_file_includes_only_what_is_above_it(path: Path) -> None:
    assert wrong_includes(path, path.read_text()) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("span.h", '#include "verifier.h"'),
        ("span.c", "#include <Python.h>"),
        ("claims.c", "#include <openssl/evp.h>"),
        ("sink.c", "#include <hiredis/hiredis.h>"),
        ("verifier.c", "#include <jwt.h>"),
        ("gate.c", '#include "../binding/state.h"'),
        ("unheard_of.c", ""),
    ],
)
def test_a_wrong_include_is_found(name: str, text: str) -> None:
    assert wrong_includes(CORE / name, text) != []


@pytest.mark.parametrize(
    "path", sorted([*BINDING.glob("*.c"), *BINDING.glob("*.h")]), ids=lambda path: path.name
)
def test_binding_includes_no_library(path: Path) -> None:
    for include in INCLUDE.finditer(path.read_text()):
        for start in ("openssl/", "jwt.h", "hiredis", "sys/socket.h", "netdb.h"):
            assert not (include["system"] or "").startswith(start)
