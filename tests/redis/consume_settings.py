# SPDX-License-Identifier: MIT
"""The Django project of consumers that run as processes; the database comes from the
environment.
"""

from __future__ import annotations

import json
import os

SECRET_KEY = "a secret key of the tests, long enough for HS256"
USE_TZ = True
DATABASES = {"default": json.loads(os.environ["TEST_DATABASE"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["penstock.django", "penstock.django.analytics"]
