# SPDX-License-Identifier: MIT
"""Without the folder of vectors nothing here is collected; the header of the run says so."""

from __future__ import annotations

from tests.oracle.vectors import FOLDER

collect_ignore = [] if FOLDER else ["test_wycheproof.py"]
