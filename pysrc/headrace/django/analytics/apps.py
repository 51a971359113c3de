# SPDX-License-Identifier: MIT
"""The Django app with the tables; nothing of the request path needs it."""

from __future__ import annotations

from django.apps import AppConfig


class AnalyticsConfig(AppConfig):
    name = "headrace.django.analytics"
    label = "headrace_analytics"
    verbose_name = "Analytics"
    default_auto_field = "django.db.models.BigAutoField"
