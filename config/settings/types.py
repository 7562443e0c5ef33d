"""For the type checker: the shared settings with nothing that needs a server."""

from config.settings.base import *

SECRET_KEY = "for the type checker only"
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "none"}}
