# SPDX-License-Identifier: MIT
"""What is left of the gain behind a server: gunicorn and uvicorn, with headrace and without?

One page of examples/site for a returning visitor, events going to a Redis. Without is a
middleware that does nothing. wrk takes turns with both servers for the throughput; then an open
loop (open_loop.py) asks both for 30, 50 and 70 % of what the one without can do.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path

import bench_connections
import bench_site
import open_loop
import results
from bench_site import SITE, headers, migrate, server_command, shown, started, there, throughput

sys.path.insert(0, str(SITE))

import demo

HERE = Path(__file__).resolve().parent
PATH = "/community/7/members/"
ROUNDS = 4
SECONDS = 1.5
SHARES = (0.3, 0.5, 0.7)
WRK = ["wrk", "-t1", "-c8", "-d1", "--timeout", "2"]
VARIANTS = {
    "headrace": "headrace.django.middleware.HeadraceMiddleware",
    "without": "bench_middleware.NoOp",
}
SERVERS = {"gunicorn": server_command, "uvicorn": bench_connections.server_command}


def compare(server: str, folder: Path, redis_port: int) -> list[list[str]]:
    """Throughput by turns, then latency; answers rows of the latter."""
    log = folder / "log"
    ports: dict[str, int] = {}
    with contextlib.ExitStack() as stack:
        for variant, middleware in VARIANTS.items():
            environment = environment_of(middleware, folder, redis_port)
            ports[variant] = demo.free_port()
            command = SERVERS[server](ports[variant])
            stack.enter_context(started(command, log, environment))
        for port in ports.values():
            demo.wait_for(server, lambda port=port: there(port) and demo.answers(port), log)
        sent = headers("anonymous page", ports["headrace"])
        for port in ports.values():
            open_loop.run(port, PATH, sent, 100.0, 0.7, 2.0)
        rates: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
        for _ in range(ROUNDS):
            for variant, port in ports.items():
                rates[variant].append(throughput(port, PATH, sent))
        question = f"requests a second under {server}"
        results.table(question, rates, "requests/s", base="without")
        most = results.spread(rates["without"])[0]
        ratio = results.ratios(rates["without"], rates["headrace"])
        print(f"\n{question}: without {most:,.0f}, with headrace {ratio[0]:.2f} × as many")
        rows = []
        for share in SHARES:
            for variant, port in ports.items():
                outcome = open_loop.run(port, PATH, sent, most * share, SECONDS, 2.0)
                times = [shown(outcome.at(place)) for place in (0.5, 0.95, 0.99)]
                rate = f"{share:.0%}: {most * share:,.0f}/s"
                rows.append([server, rate, variant, *times])
                print("  " + "  ".join(f"{cell:>14}" for cell in rows[-1]), flush=True)
    return rows


def environment_of(middleware: str, folder: Path, redis_port: int) -> dict[str, str]:
    url = f"redis://127.0.0.1:{redis_port}/0"
    return {
        **os.environ,
        "PYTHONPATH": str(HERE),
        "DJANGO_SETTINGS_MODULE": "replaced_settings",
        "BENCH_MIDDLEWARE": middleware,
        "HEADRACE_SINK": url,
        "HEADRACE_ENABLED": "1",
        "SITE_DATA": str(folder),
        "SITE_SECRET_KEY": demo.SECRET_KEY,
    }


def main() -> None:
    bench_site.WRK[:] = WRK
    print(f"throughput: {' '.join(WRK)} -H ... URL")
    for command in SERVERS.values():
        print(f"server: {' '.join(command(0)[1:])}")
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory(prefix="hr-servers-") as name:
        folder = Path(name)
        port = demo.free_port()
        environment = environment_of(VARIANTS["without"], folder, port)
        migrate(environment)
        store = ["redis-server", "--port", str(port), "--save", "", "--dir", name]
        with started(store, folder / "log", environment):
            demo.wait_for("redis-server", lambda: there(port), folder / "log")
            for server in SERVERS:
                rows += compare(server, folder, port)
    columns = ["server", "of what it can do", "", "p50, ms", "p95, ms", "p99, ms"]
    results.grid("latency at fixed rates", columns, rows)


if __name__ == "__main__":
    main()
