# SPDX-License-Identifier: MIT
"""What `manage.py penstock_report` says: from the tables, the stream or the `file:`."""
