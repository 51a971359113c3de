# SPDX-License-Identifier: MIT
"""For those who operate a site: what its commands and its health view find out and do."""
