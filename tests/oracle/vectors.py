# SPDX-License-Identifier: MIT
"""Where the published attack vectors are: not part of this repository.

``HEADRACE_VECTORS`` names the folder; else ``../shared/vectors`` beside the checkout is looked at.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def find_folder() -> Path | None:
    given = os.environ.get("HEADRACE_VECTORS")
    folder = Path(given) if given else ROOT.parent / "shared" / "vectors"
    return folder if (folder / "wycheproof_jws.json").is_file() else None


FOLDER = find_folder()
