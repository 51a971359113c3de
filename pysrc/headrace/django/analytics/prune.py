# SPDX-License-Identifier: MIT
"""Rows that are old, or of somebody who wants to be forgotten, out of the tables.

In batches, each a transaction of its own, so that the site's own queries never wait for long,
and a run that is interrupted has done what it has done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import router, transaction
from django.db.models import Model

from headrace.django.analytics.models import CustomEvent, PageView, Session, Visitor
from headrace.django.analytics.tables import rebuild

_AGE = {PageView: "time", CustomEvent: "time", Session: "last_seen", Visitor: "last_seen"}


def prune(older_than: datetime, batch: int) -> Counter[str]:
    """Deletes rows that are older, `batch` at a time. How many, by model name."""
    gone: Counter[str] = Counter()
    for model, field in _AGE.items():
        gone[model.__name__] += _delete(model, batch, **{f"{field}__lt": older_than})
    return gone


def erase_visitor(fingerprint: str, batch: int) -> Counter[str]:
    """Deletes everything of one visitor. How many rows, by model name."""
    gone = Counter(
        PageView=_delete(PageView, batch, fingerprint=fingerprint),
        CustomEvent=_delete(CustomEvent, batch, fingerprint=fingerprint),
        Session=_delete(Session, batch, visitor__fingerprint=fingerprint),
    )
    gone["Visitor"] = _delete(Visitor, batch, fingerprint=fingerprint)
    return gone


def visitors_of(user: str) -> set[str]:
    """The visitors, by fingerprint, that this user has been."""
    using = router.db_for_write(PageView)
    found: set[str] = set()
    for model in (PageView, CustomEvent, Visitor):
        rows = model._default_manager.using(using).filter(user=user)
        found.update(rows.values_list("fingerprint", flat=True).distinct())
    of_sessions = Session.objects.using(using).filter(user=user)
    found.update(of_sessions.values_list("visitor__fingerprint", flat=True).distinct())
    return found - {""}


def erase_user(user: str, fingerprints: Collection[str], batch: int) -> Counter[str]:
    """Deletes what a user has done, and what the visitors that the user has been did without
    being logged in; other users of these browsers keep theirs. How many rows, by model name.
    """
    using = router.db_for_write(PageView)
    gone: Counter[str] = Counter()
    for model in (PageView, CustomEvent):
        gone[model.__name__] += _delete(model, batch, user=user)
        for fingerprint in fingerprints:
            gone[model.__name__] += _delete(model, batch, user="", fingerprint=fingerprint)
    visitors = Visitor.objects.using(using)
    before = Counter(Visitor=visitors.count(), Session=Session.objects.using(using).count())
    for fingerprint in sorted(fingerprints):
        with transaction.atomic(using=using):
            rebuild([fingerprint], using)
    after = Counter(Visitor=visitors.count(), Session=Session.objects.using(using).count())
    return gone + (before - after)


def _delete(model: type[Model], batch: int, **which: Any) -> int:
    using = router.db_for_write(model)
    rows = model._default_manager.using(using)
    total = 0
    while True:
        with transaction.atomic(using=using):
            # Locked and looked at again: a consumer may just be touching a visitor.
            keys = list(
                rows.select_for_update(of=("self",))
                .filter(**which)
                .order_by("pk")
                .values_list("pk", flat=True)[:batch]
            )
            rows.filter(pk__in=keys).delete()
        total += len(keys)
        if len(keys) < batch:
            return total
