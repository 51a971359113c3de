# SPDX-License-Identifier: MIT
"""What `manage.py headrace_report` says: from the tables, the stream or the `file:`."""
