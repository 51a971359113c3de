# SPDX-License-Identifier: MIT
"""The Django app: for system checks and commands; the middleware works without it."""

from __future__ import annotations

from django.apps import AppConfig
from django.core import checks


class HeadraceConfig(AppConfig):
    name = "headrace.django"
    label = "headrace"
    verbose_name = "headrace"

    def ready(self) -> None:
        from headrace.django.checks import check_deployment, check_settings

        checks.register(check_settings, checks.Tags.security)
        checks.register(check_deployment, checks.Tags.security, deploy=True)
        _prepare()


def _prepare() -> None:
    """What must be there before the middleware: simplejwt's backend, also in commands and
    workers that make and check tokens, and the look at connections that somebody opens early.
    """
    from headrace.django.conf import SettingError, read
    from headrace.django.site import put_simplejwt_backend

    try:
        conf = read()
    except SettingError:
        return  # the system check says so, and the middleware
    put_simplejwt_backend(conf)
    if conf.enabled and conf.counts_queries:
        from headrace.django.measure import queries

        queries.watch()
    if conf.enabled and conf.metrics:
        from headrace.django.measure import cache, databases, tasks

        databases.start()
        cache.start()
        tasks.start()
