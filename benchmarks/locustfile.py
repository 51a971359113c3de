# SPDX-License-Identifier: MIT
"""Users of examples/site who stay connected: each shows its token now and then, and gets a new
one with its refresh token when it must.

    locust -f benchmarks/locustfile.py --host http://127.0.0.1:8000 --headless -u 10000 -r 400

The site has to sign with the same key: SITE_SECRET_KEY. bench_connections.py starts both. Logins
are not part of it: what a password costs on purpose would be all that one measures.
"""

from __future__ import annotations

import itertools
import os
import time
import uuid

import jwt
from locust import FastHttpUser, between, task

SECRET_KEY = os.environ["SITE_SECRET_KEY"]
PAUSE = float(os.environ.get("BENCH_PAUSE", "30"))  # seconds between two requests of a user
numbers = itertools.count(1)


def token(kind: str, user: str, seconds: int) -> str:
    now = int(time.time())
    claims = {"token_type": kind, "iat": now, "exp": now + seconds, "jti": uuid.uuid4().hex}
    return jwt.encode({**claims, "user_id": user}, SECRET_KEY, algorithm="HS256")


class TokenUser(FastHttpUser):
    """One connection, kept open; four requests in five verify, the fifth refreshes."""

    wait_time = between(PAUSE * 0.7, PAUSE * 1.3)  # type: ignore[no-untyped-call]
    connection_timeout = 10.0
    network_timeout = 10.0
    concurrency = 1  # connections of a user

    def on_start(self) -> None:
        user = str(next(numbers))
        self.refresh_token = token("refresh", user, 86400)
        self.access = token("access", user, 300)
        self.verify()  # connects

    @task(4)
    def verify(self) -> None:
        headers = {"Authorization": f"Bearer {self.access}"}
        self.client.get("/api/auth/verify/", headers=headers, name="verify")

    @task(1)
    def refresh(self) -> None:
        body = {"refresh": self.refresh_token}
        with self.client.post(
            "/api/auth/refresh/", json=body, name="refresh", catch_response=True
        ) as response:
            try:
                self.access = response.json()["access"]
            except (ValueError, KeyError, TypeError):
                response.failure(f"no token: {response.status_code}")
