# SPDX-License-Identifier: MIT
"""The helpers of `headrace.testing` as pytest fixtures; loaded by pytest itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # imported when a fixture is asked for: other projects' tests pay nothing
    from headrace import Fingerprint
    from headrace.testing import CapturedEvents


@pytest.fixture
def captured_events() -> Iterator[CapturedEvents]:
    """The events of this test, in a sink of memory that takes the place of the site's."""
    from django.conf import settings
    from django.test import override_settings

    from headrace.testing import captured_events as capture

    setting = {**getattr(settings, "HEADRACE", {}), "SINK": "memory:"}
    with override_settings(HEADRACE=setting), capture() as events:
        yield events


@pytest.fixture
def make_token() -> Callable[..., str]:
    """`headrace.testing.make_token`."""
    from headrace.testing import make_token as make

    return make


@pytest.fixture
def visitor() -> Callable[[Any], Fingerprint]:
    """`headrace.testing.visitor`."""
    from headrace.testing import visitor as make

    return make
