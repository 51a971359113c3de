# SPDX-License-Identifier: MIT
"""System checks: what the middleware would raise or log, said at `manage.py check`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks

from penstock.django.conf import SettingError, read
from penstock.django.parts import build

MIDDLEWARE = "penstock.django.middleware.PenstockMiddleware"


def check_settings(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """E001: PENSTOCK is wrong. W001: events are off because nothing was said about them."""
    try:
        conf = read()
        if conf.enabled:
            build(conf)
    except SettingError as error:
        return [checks.Error(str(error), id="penstock.E001")]
    if conf.enabled and conf.sink_is_unset:
        return [
            checks.Warning(
                'PENSTOCK["SINK"] is not set: no events are recorded.',
                hint='Set it to a URL such as "redis://127.0.0.1:6379/0", or to None to say '
                "that this is meant.",
                id="penstock.W001",
            )
        ]
    return []
