# SPDX-License-Identifier: MIT
"""examples/site with another middleware in headrace's place: BENCH_MIDDLEWARE names it."""

from __future__ import annotations

import os

from example.settings import *  # noqa: F403

MIDDLEWARE = [os.environ["BENCH_MIDDLEWARE"], "django.middleware.common.CommonMiddleware"]
