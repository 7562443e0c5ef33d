"""Tests: a throwaway Postgres of their own, no broker, files under the temporary folder."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

if (  # ours for this run, and for the processes that tests start; a run's workers have databases of their own, so homes, too
    "ATTUNE_HOME" not in os.environ
    or os.environ.get("ATTUNE_TEST_WORKER", "") != os.environ.get("PYTEST_XDIST_WORKER", "")
):
    os.environ["ATTUNE_HOME"] = tempfile.mkdtemp(prefix="attune-test-")
    os.environ["ATTUNE_TEST_WORKER"] = os.environ.get("PYTEST_XDIST_WORKER", "")
    atexit.register(shutil.rmtree, os.environ["ATTUNE_HOME"], ignore_errors=True)

from config.local.testserver import test_database_url
from config.settings.base import *
from config.settings.base import DATABASE_OPTIONS, STORAGES, env

DEBUG = False
SECRET_KEY = "for tests only, never anywhere else"
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
DATABASES = {
    "default": {
        **env.db_url_config(test_database_url()),
        **DATABASE_OPTIONS,
        "TEST": {"NAME": os.environ.get("ATTUNE_TEST_DB", "test_attune")},
    }
}
CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WHITENOISE_AUTOREFRESH = True
TEST_HOME = Path(os.environ["ATTUNE_HOME"])
