"""One machine, loopback only, under ``attune up``: embedded servers unless the environment names others."""

from config.local.home import secret_key
from config.settings.base import *
from config.settings.base import ATTUNE_HOME, DATABASE_OPTIONS, env

DEBUG = False
SECRET_KEY = env.str("SECRET_KEY", default="") or secret_key(ATTUNE_HOME)
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
DATABASES = {
    "default": {**env.db_url("DATABASE_URL", default="postgres://attune@127.0.0.1:1/attune"), **DATABASE_OPTIONS}
}
CELERY_BROKER_URL = env.str("BROKER_URL", default="redis://127.0.0.1:1/0")
WEBHOOKS_PRIVATE = env.bool("WEBHOOKS_PRIVATE", default=True)
JUDGES_PRIVATE = env.bool("JUDGES_PRIVATE", default=True)
EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
