# SPDX-License-Identifier: MIT
"""The Django app: for system checks and commands; the middleware works without it."""

from __future__ import annotations

from django.apps import AppConfig
from django.core import checks


class PenstockConfig(AppConfig):
    name = "penstock.django"
    label = "penstock"
    verbose_name = "penstock"

    def ready(self) -> None:
        from penstock.django.checks import check_deployment, check_settings

        checks.register(check_settings, checks.Tags.security)
        checks.register(check_deployment, checks.Tags.security, deploy=True)
        _put_simplejwt_backend()


def _put_simplejwt_backend() -> None:
    """Also where no request ever comes: in commands and workers that make and check tokens."""
    from penstock.django.conf import SettingError, read
    from penstock.django.parts import put_simplejwt_backend

    try:
        put_simplejwt_backend(read())
    except SettingError:
        return  # the system check says so, and the middleware
