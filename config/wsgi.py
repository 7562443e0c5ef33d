"""What the web server runs."""

import os

from django.core.wsgi import get_wsgi_application

from config.celery import app

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
app.set_default()  # so that what a page sends goes to our broker
application = get_wsgi_application()
