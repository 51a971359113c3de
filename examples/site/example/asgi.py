# SPDX-License-Identifier: MIT
"""The site for an ASGI server: uvicorn example.asgi:application."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example.settings")
application = get_asgi_application()
