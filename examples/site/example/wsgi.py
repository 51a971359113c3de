# SPDX-License-Identifier: MIT
"""The site for a WSGI server: gunicorn example.wsgi."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example.settings")
application = get_wsgi_application()
