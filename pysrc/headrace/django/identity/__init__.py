# SPDX-License-Identifier: MIT
"""Who a verified token belongs to: below the classes for DRF and Ninja, and the middleware."""
