# SPDX-License-Identifier: MIT
"""The cache of verified tokens: forks, threads, floods, memory."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable

import pytest

from headrace import InvalidTokenError, Key, TokenVerifier
from tests.oracle.tokens import LATER, NOW, SECRET, public_pem, token

HS256 = Key.secret(SECRET, algorithm="HS256")


def in_child(check: Callable[[], bool]) -> bool:
    """Runs `check` in a forked child; a child that hangs is killed by its alarm."""
    import signal

    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        code = 1
        try:
            code = 0 if check() else 1
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1] == 0


def test_forked_child_starts_with_an_empty_cache() -> None:
    made = TokenVerifier([HS256], cache_size=64)
    texts = [token({"n": n}) for n in range(20)]
    for text in texts:
        made.verify(text, now=NOW)

    def check() -> bool:
        fresh = tuple(made.cache_info()[:3]) == (0, 0, 0)
        for _ in range(2):
            for text in texts:
                made.verify(text, now=NOW)
        info = made.cache_info()
        return fresh and info.misses >= 20 and info.hits >= 15

    assert in_child(check)
    assert made.cache_info().size > 0


def test_fork_while_threads_verify() -> None:
    """No child inherits a lock in a locked state."""
    made = TokenVerifier([HS256], cache_size=8)
    slow = TokenVerifier([Key.pem(public_pem("RS256"), algorithm="RS256")], cache_size=0)
    texts = [token({"n": n}) for n in range(40)]
    signed = token({}, "RS256")
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            for text in texts:
                made.verify(text, now=NOW)
            slow.verify(signed, now=NOW)
            made.replace_keys([HS256])

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()

    def check() -> bool:
        for text in texts:
            made.verify(text, now=NOW)
        slow.verify(signed, now=NOW)
        made.replace_keys([HS256])
        made.cache_clear()
        return made.cache_info().size == 0

    try:
        for _ in range(20):
            assert in_child(check)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_threads_share_one_verifier() -> None:
    made = TokenVerifier([HS256], cache_size=32)
    texts = [token({"n": n}) for n in range(100)]
    wrong: list[object] = []

    def work(seed: int) -> None:
        chooser = random.Random(seed)
        for _ in range(3000):
            n = chooser.randrange(len(texts))
            claims = made.verify(texts[n], now=NOW).claims
            if claims != {"exp": LATER, "n": n}:
                wrong.append(claims)
            if chooser.random() < 0.001:
                made.replace_keys([HS256])

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert made.cache_info().size <= 32


def test_forged_tokens_evict_nothing() -> None:
    made = TokenVerifier([HS256], cache_size=16)
    good = [token({"n": n}) for n in range(16)]
    for text in good:
        made.verify(text, now=NOW)
    before = made.cache_info()
    header, payload, signature = good[0].split(".")
    chooser = random.Random(1)
    for _ in range(5000):
        forged = "".join(chooser.choices("ABCDEFGHabcdefgh0123456789-_", k=42)) + "A"
        with pytest.raises(InvalidTokenError):
            made.verify(f"{header}.{payload}.{forged}", now=NOW)
    after = made.cache_info()
    assert (after.size, after.bytes, after.hits) == (before.size, before.bytes, before.hits)
    for text in good:
        made.verify(text, now=NOW)
    assert made.cache_info().hits == before.hits + 16
    assert len(signature) == 43


def test_tokens_in_use_outlive_a_flood_of_valid_ones() -> None:
    made = TokenVerifier([HS256], cache_size=16)
    used = token({"n": "in use"})
    made.verify(used, now=NOW)
    hits = 0
    for n in range(200):
        made.verify(used, now=NOW)
        hits += 1
        made.verify(token({"n": n}), now=NOW)
    assert made.cache_info().hits == hits
    assert made.cache_info().size == 16


@pytest.mark.parametrize("capacity", [1, 2, 15, 16, 17, 100])
def test_size_never_exceeds_capacity(capacity: int) -> None:
    made = TokenVerifier([HS256], cache_size=capacity)
    for n in range(3 * capacity + 20):
        made.verify(token({"n": n}), now=NOW)
        assert made.cache_info().size <= capacity
    info = made.cache_info()
    assert info.capacity == capacity
    assert info.size > capacity // 2
    made.cache_clear()
    assert made.cache_info()[2:] == (0, capacity, 0)


def test_bytes_are_bounded() -> None:
    made = TokenVerifier([HS256], cache_size=64)
    for n in range(300):
        made.verify(token({"n": n, "x": "y" * 2500}), now=NOW)
    assert made.cache_info().bytes <= 64 * 1536


def test_no_cache_at_all() -> None:
    made = TokenVerifier([HS256], cache_size=0)
    for _ in range(2):
        made.verify(token(), now=NOW)
    assert tuple(made.cache_info()) == (0, 0, 0, 0, 0)
    made.cache_clear()


def test_two_verifiers_share_nothing() -> None:
    text = token({"aud": "a"})
    TokenVerifier([HS256], audience="a").verify(text, now=NOW)
    other = TokenVerifier([HS256], audience="b")
    for _ in range(2):
        with pytest.raises(InvalidTokenError):
            other.verify(text, now=NOW)


def test_token_whose_time_comes_while_cached() -> None:
    made = TokenVerifier([HS256], leeway=5)
    text = token({"exp": NOW + 10, "nbf": NOW})
    made.verify(text, now=NOW)
    assert made.verify(text, now=NOW + 14)["exp"] == NOW + 10
    with pytest.raises(InvalidTokenError, match="not yet"):
        made.verify(text, now=NOW - 6)
    with pytest.raises(InvalidTokenError, match="expired"):
        made.verify(text, now=NOW + 15)
    assert made.cache_info().size == 0
    assert made.verify(text, now=NOW)["exp"] == NOW + 10  # the clock went back


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_memory_stays_flat_under_forged_tokens(soak: int) -> None:
    made = TokenVerifier([HS256])
    header, payload, signature = token().split(".")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

    def flood(count: int) -> None:
        for n in range(count):
            forged = letters[n % 64] + letters[n // 64 % 64] + signature[2:]
            text = f"{header}.{payload}.{letters[n // 4096 % 64]}{forged[1:]}"
            try:
                made.verify(text, now=NOW)
            except InvalidTokenError:
                continue

    flood(10_000)
    before = resident()
    flood(90_000 * soak)
    assert resident() - before < 1 << 20
