# SPDX-License-Identifier: MIT
"""``manage.py headrace_doctor``: what is in effect, and what it costs on this site."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

import headrace
from headrace.django.operate import doctor
from headrace.django.site import configured

_UNITS = {"ns": 1.0, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9}


def nanoseconds(text: str) -> float:
    """``10us`` and the like."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s)", text)
    if match is None:
        raise ArgumentTypeError(f"{text!r} is no time; 10us, 0.5ms and 900ns are")
    return float(match[1]) * _UNITS[match[2]]


class Command(BaseCommand):
    help = "Prints what headrace does on this site, and measures what it adds to a request."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--path", default="/", help="the path that is requested (/)")
        parser.add_argument(
            "--fail-over",
            type=nanoseconds,
            metavar="TIME",
            help="end with 1 when a request costs more than this, such as 10us",
        )
        parser.add_argument(
            "--rounds", type=int, default=doctor.ROUNDS, help=f"how many ({doctor.ROUNDS})"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"headrace {headrace.__version__}")
        if not configured().conf.enabled:
            self.stdout.write("turned off: nothing is done, nothing is added")
            return
        for name, text in doctor.in_effect():
            self.stdout.write(f"  {name:<22}{text}")
        self._report_redis()
        rounds = max(options["rounds"], 2)
        path = options["path"]
        with doctor.measuring():
            found = doctor.measure(path, rounds)
            stages = doctor.stages()
            status, whole = doctor.whole_request(path, rounds)
        self._report(path, found, status, whole)
        self._report_stages(stages)
        worst = max(found, key=lambda measured: measured.added.median)
        limit = options["fail_over"]
        if limit is not None and worst.added.median > limit:
            raise CommandError(
                f"{worst.kind} costs {worst.added.median / 1000:.2f} µs, more than "
                f"{limit / 1000:g} µs"
            )

    def _report_redis(self) -> None:
        """What `headrace doctor URL` says of the site's Redis."""
        setting = configured().conf.sink or {}
        url = str(setting.get("url", ""))
        if not url.startswith(("redis://", "rediss://", "unix://")):
            return
        from headrace._redis_doctor import examine

        self.stdout.write(f"\n{doctor.without_secrets(url)}:")
        for finding in examine(url, configured().conf.keys, setting.get("ca_file")):
            self.stdout.write(f"  {finding.mark:<5} {finding.name:<14}{finding.text}")

    def _report(
        self, path: str, found: list[doctor.Measured], status: int, whole: doctor.Cost
    ) -> None:
        label = configured().gate.paths
        named = f" (label {label.label(path)})" if label is not None else ""
        self.stdout.write(f"\nGET {path}{named}, in this process, events kept to itself:")
        for measured in found:
            self.stdout.write(f"  {measured.kind}")
            self.stdout.write(f"    before the view  {measured.enter}")
            self.stdout.write(f"    after the view   {measured.leave}")
            self.stdout.write(f"    added in all     {measured.added}")
        self.stdout.write(f"  the whole request without headrace, answered {status}")
        self.stdout.write(f"                     {whole}")

    def _report_stages(self, stages: dict[str, dict[str, Any]]) -> None:
        if not stages:
            return
        self.stdout.write("\nthe same in the core, stage by stage, one request in 16:")
        self.stdout.write(f"  {'':<19}{'p50':>9}{'p99':>9}")
        for stage, found in stages.items():
            if stage == "application":
                continue  # there is none between the two measured calls
            self.stdout.write(
                f"  {stage:<19}{found['p50'] * 1e6:6.2f} µs{found['p99'] * 1e6:6.2f} µs"
            )
