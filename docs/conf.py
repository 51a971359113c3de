# SPDX-License-Identifier: MIT
"""The documentation site: `make docs` builds it, with warnings as errors.

tools/docs.py copies docs/ and the pages of the root side by side, so that a page is written once,
for readers of the repository and of the site alike. Every file in docs/ is on the site: a new
one needs no entry here.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

# This file is read where it lies, and where tools/docs.py has copied it to.
ROOT = next(
    folder for folder in Path(__file__).resolve().parents if (folder / "pyproject.toml").exists()
)

project = "headrace"
author = "headrace contributors"
project_copyright = "headrace contributors"
version = release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

extensions = ["myst_parser", "autoapi.extension"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"headrace {version}"
html_copy_source = False
html_show_sphinx = False

# The reference is read from the stub file and the sources; nothing is imported.
autoapi_dirs = [str(ROOT / "pysrc" / "headrace")]
autoapi_file_patterns = ["*.pyi", "*.py"]
autoapi_ignore = ["*/migrations/*", "*/management/*", "*/django/analytics/*"]
autoapi_root = "reference/api"
autoapi_add_toctree_entry = False
autoapi_keep_files = False
autoapi_member_order = "bysource"
autoapi_python_class_content = "class"
autoapi_options = ["members", "undoc-members", "show-module-summary", "imported-members"]
suppress_warnings = [
    "autoapi.python_import_resolution",  # the packages that an extra brings are not read
    "myst.header",  # a generated page may begin at any level
]

_seen: dict[str, object] = {}


def _skip_second(
    app: object, what: str, name: str, described: object, skip: bool, options: object
) -> bool | None:
    """A name that a module declares for type checkers and assigns later is described once."""
    return True if _seen.setdefault(name, described) is not described else None


def setup(app: Any) -> None:
    """Sphinx calls this."""
    app.connect("autoapi-skip-member", _skip_second)
