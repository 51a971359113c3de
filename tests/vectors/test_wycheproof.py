# SPDX-License-Identifier: MIT
"""Project Wycheproof's vectors for JWS and JWK: valid ones pass, invalid ones do not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headrace import InvalidTokenError, Key, TokenVerifier
from tests.oracle.vectors import FOLDER

PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth"}

# Where we do not do what the vector says, by file and number, and why.
DEVIATIONS = {
    ("jws", 346): "the key says PS256, the token PS384: a key is for one algorithm",
    ("jws", 350): "the key says PS256, the token PS384: a key is for one algorithm",
    ("jws", 347): "the key's alg is ES521, which does not exist",
    ("jws", 351): "the key's alg is ES521, which does not exist",
    ("jws", 367): "byte for byte the valid vector 357",
    ("jws", 370): "byte for byte the valid vector 357",
    ("jws", 372): "a question mark is not base64url",
    ("jws", 373): "a question mark is not base64url",
}


def public(document: dict[str, Any]) -> dict[str, Any]:
    if "keys" in document:
        return {"keys": [public(key) for key in document["keys"]]}
    return {name: value for name, value in document.items() if name not in PRIVATE}


def vectors() -> list[Any]:
    assert FOLDER is not None
    found = []
    for name in ("jws", "jwk"):
        content = json.loads((FOLDER / f"wycheproof_{name}.json").read_text())
        for group in content["testGroups"]:
            document = public(group.get("public") or group["private"])
            for test in group["tests"]:
                number = test["tcId"]
                found.append(
                    pytest.param(
                        document,
                        test["jws"],
                        (test["result"] == "valid") != ((name, number) in DEVIATIONS),
                        id=f"{name}-{number}-{group['comment']}-{test['comment']}",
                    )
                )
    return found


def accepts(document: dict[str, Any], text: str) -> bool:
    try:
        keys = Key.jwks(document) if "keys" in document else [Key.jwk(document)]
        TokenVerifier(keys).verify_jws(text)
    except (InvalidTokenError, ValueError):
        return False
    return True


@pytest.mark.parametrize(("document", "text", "valid"), vectors())
def test_vector(document: dict[str, Any], text: str, valid: bool) -> None:
    assert accepts(document, text) == valid
