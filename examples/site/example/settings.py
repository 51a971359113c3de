# SPDX-License-Identifier: MIT
"""Settings of the example site: a small community with accounts, an API and pages.

What the demo changes comes from the environment: SITE_DATA (folder of the database),
HEADRACE_SINK (where events go), HEADRACE_ENABLED (0 takes the middleware out) and SITE_METRICS
(1 counts by route).
"""

from __future__ import annotations

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent
DATA_DIR = Path(os.environ.get("SITE_DATA", BASE_DIR.parent))

SECRET_KEY = os.environ.get("SITE_SECRET_KEY", "an example: 50 random characters in a real site")
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "headrace.django",
    "headrace.django.analytics",
]

MIDDLEWARE = [
    "headrace.django.middleware.HeadraceMiddleware",
    "django.middleware.common.CommonMiddleware",
]

HEADRACE = {
    # Every key in Redis begins with headrace:example:
    "NAME": "example",
    # A label of our own: what lies below it follows the rules of `api`, and is answered
    # 401 without a valid token, before any view runs.
    "PATHS": {
        "skip": ["/static/", "=/health/", "=/metrics"],
        "account": ["/api/auth/user-info/", "/api/auth/verify/", "/ledger/"],
        "api": ["/api/"],
    },
    "TREAT_AS": {"account": "api"},
    "REQUIRE_TOKEN": ["account"],
    # What Prometheus is told by route; the demo looks at it.
    "METRICS": os.environ.get("SITE_METRICS") == "1",
}

ROOT_URLCONF = "example.urls"
WSGI_APPLICATION = "example.wsgi.application"
ASGI_APPLICATION = "example.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
    }
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA_DIR / "site.sqlite3",
        "OPTIONS": {"timeout": 20},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = "/static/"
USE_TZ = True
TIME_ZONE = "UTC"
