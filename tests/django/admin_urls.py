# SPDX-License-Identifier: MIT
"""The admin, for the tests of its pages."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
