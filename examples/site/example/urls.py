# SPDX-License-Identifier: MIT
"""The endpoints of the example site."""

from __future__ import annotations

from pathlib import Path

from django.urls import path
from django.views.static import serve

from example import views

STATIC = Path(__file__).resolve().parent / "static"

urlpatterns = [
    path("api/auth/login/", views.login),
    path("api/auth/refresh/", views.refresh),
    path("api/auth/verify/", views.verify),
    path("api/auth/user-info/", views.user_info),
    path("api/auth/location-data/", views.location_data),
    path("community/<int:id>/", views.community),
    path("community/<int:id>/members/", views.members),
    path("health/", views.health),
    path("ledger/", views.ledger),
    path("metrics", views.metrics),
    path("static/<path:path>", serve, {"document_root": STATIC}),
]
