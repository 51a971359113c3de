# SPDX-License-Identifier: MIT
"""The Django project of consumers that run as processes; consume_command.py adds the database."""

from __future__ import annotations

SECRET_KEY = "a secret key of the tests, long enough for HS256"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
HEADRACE = {"NAME": "tests"}  # and HEADRACE_SINK in the environment
INSTALLED_APPS = ["headrace.django", "headrace.django.analytics"]
