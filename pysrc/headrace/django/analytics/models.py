# SPDX-License-Identifier: MIT
"""The tables.

Uniqueness is by constraint, not by `unique=True`, which on PostgreSQL brings a second index for
LIKE. Every index of the big table costs each event, so there is one a question: by time, and
by route, label, visitor and user, each with the time. Texts are as wide as an event's values
can be.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class PageView(models.Model):
    """One event of kind `request`."""

    event_id = models.CharField(max_length=64)
    time = models.DateTimeField()
    label = models.CharField(max_length=64, blank=True)
    method = models.CharField(max_length=16, blank=True)
    path = models.CharField(max_length=2048, blank=True)
    route = models.CharField(max_length=512, blank=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    duration_us = models.BigIntegerField(null=True, blank=True)
    user = models.CharField(max_length=255, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)
    new = models.BooleanField(default=False)
    reason = models.CharField(max_length=32, blank=True)
    agent = models.CharField(max_length=16, blank=True)
    db_queries = models.PositiveIntegerField(null=True, blank=True)
    db_ms = models.FloatField(null=True, blank=True)
    extra = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event_id"], name="headrace_view_event")
        ]
        indexes: ClassVar = [
            models.Index(fields=["time"], name="headrace_view_time"),
            models.Index(fields=["route", "time"], name="headrace_view_route"),
            models.Index(fields=["label", "time"], name="headrace_view_label"),
            models.Index(fields=["fingerprint", "time"], name="headrace_view_visitor"),
            models.Index(fields=["user", "time"], name="headrace_view_user"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status}"


class CustomEvent(models.Model):
    """One event of a kind of the site's own, with its fields as they are."""

    event_id = models.CharField(max_length=64)
    kind = models.CharField(max_length=64, blank=True)
    time = models.DateTimeField()
    user = models.CharField(max_length=255, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)
    fields = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event_id"], name="headrace_event_event")
        ]
        indexes: ClassVar = [
            models.Index(fields=["time"], name="headrace_event_time"),
            models.Index(fields=["kind", "time"], name="headrace_event_kind"),
            models.Index(fields=["fingerprint", "time"], name="headrace_event_visitor"),
            models.Index(fields=["user", "time"], name="headrace_event_user"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id}"


class Visitor(models.Model):
    """One fingerprint: when it was first and last seen, and how often."""

    fingerprint = models.CharField(max_length=64)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    views = models.PositiveBigIntegerField(default=0)
    user = models.CharField(max_length=255, blank=True)  # of the newest view that has one
    user_seen = models.DateTimeField(null=True, blank=True)  # when that was

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["fingerprint"], name="headrace_visitor_fingerprint")
        ]
        indexes: ClassVar = [
            models.Index(fields=["last_seen"], name="headrace_visitor_last"),
            models.Index(fields=["first_seen"], name="headrace_visitor_first"),
            models.Index(fields=["user"], name="headrace_visitor_user"),
        ]

    def __str__(self) -> str:
        return self.fingerprint


class Session(models.Model):
    """The page views of one visitor with no 30 minutes between one and the next."""

    visitor = models.ForeignKey(
        Visitor, on_delete=models.CASCADE, related_name="sessions", db_index=False
    )
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    views = models.PositiveBigIntegerField(default=0)
    entry_path = models.CharField(max_length=2048, blank=True)
    exit_path = models.CharField(max_length=2048, blank=True)
    user = models.CharField(max_length=255, blank=True)
    user_seen = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["visitor", "first_seen"], name="headrace_session_visitor"),
            models.Index(fields=["first_seen"], name="headrace_session_first"),
            models.Index(fields=["last_seen"], name="headrace_session_last"),
            models.Index(fields=["user"], name="headrace_session_user"),
        ]

    def __str__(self) -> str:
        return f"session {self.pk}: {self.views} views"
