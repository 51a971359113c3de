# SPDX-License-Identifier: MIT
"""What is measured of a request and around it: queries, time, caches, tasks."""
