"""Settings shared by every way of running. What differs is in local, test and production."""

from __future__ import annotations

from pathlib import Path

import environ
from csp.constants import NONCE, NONE, SELF

BASE_DIR = Path(__file__).resolve().parents[2]
env = environ.Env()

ATTUNE_HOME = Path(env.str("ATTUNE_HOME", default=str(BASE_DIR / "var"))).resolve()

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "csp",
    "django_htmx",
    "drf_spectacular",
    "knox",
    "rest_framework",
    "annotator",
    "training",
    "personalization",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "annotator.middleware.Language",
    "annotator.middleware.ErrorPages",
    "annotator.middleware.RateHeaders",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASE_OPTIONS: dict[str, object] = {"ENGINE": "config.database", "CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Two caches: "default" may be shared by all processes (rate limits), "process" is this one's own (figures).
CACHES: dict[str, dict[str, object]] = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "default"},
    "process": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "process"},
}

AUTH_USER_MODEL = "annotator.User"
AUTHENTICATION_BACKENDS = ["annotator.accounts.Backend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
ACCOUNT_ADAPTER = "annotator.accounts.ClosedSignup"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("it", "Italiano")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": ATTUNE_HOME / "uploads"},
    },
    "uploads": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": ATTUNE_HOME / "uploads"},
    },
    "artifacts": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": ATTUNE_HOME / "artifacts"},
    },
    "media": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": ATTUNE_HOME / "media"},
    },
    "staticfiles": {"BACKEND": "config.storage.StaticFiles"},
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
IMPORT_MAX_BYTES = 2 * 1024**3

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_ENGINE = "annotator.sessions"
SESSION_COOKIE_AGE = 60 * 60 * 24 * 14

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["annotator.api.authentication.ApiTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "annotator.api.permissions.HasScope",
        "annotator.api.permissions.KnownParameters",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["annotator.api.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["annotator.api.throttling.TokenRate"],
    "EXCEPTION_HANDLER": "annotator.api.problems.problem_response",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,  # ?format= is the export's own parameter
}
REST_KNOX = {"TOKEN_MODEL": "annotator.ApiToken", "TOKEN_TTL": None, "AUTH_HEADER_PREFIX": "Bearer"}
KNOX_TOKEN_MODEL = "annotator.ApiToken"
# Our token model replaces knox's. Its migrations would still create a table of its own, which nothing then empties.
MIGRATION_MODULES = {"knox": None}
SPECTACULAR_SETTINGS = {
    "TITLE": "Attune",
    "DESCRIPTION": "Collect preferences, and ask for personal rewards.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "JobState": "annotator.models.JobState",
        "VersionState": "training.models.ModelVersion.State",
        "GoldAnswer": "annotator.models.content.GOLD_CHOICES",
        "DropOrKeep": "training.filters.DROP_OR_KEEP",
        "JudgmentKind": "annotator.models.Judgment.Kind",
        "LineupKind": "annotator.models.Lineup.Kind",
        "PairSide": "annotator.api.serializers.SIDES",
        "SideOrPlace": "annotator.api.serializers.ANYWHERE",
        "MachineKind": "personalization.models.MachineAnnotator.Kind",
        "MethodEnum": "personalization.models.PolicyRound.Method",
        "SelfPlayMethod": "attune.policies.settings.NASH_METHODS",
    },
}

# Celery: Postgres is the truth and messages only carry ids, so nothing is kept in a result backend.
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 30.0
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.2}
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 43_200,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "queue_order_strategy": "priority",
    "socket_connect_timeout": 1.0,
    "socket_timeout": 5.0,
}
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_DEFAULT_EXCHANGE = "default"
CELERY_TASK_DEFAULT_ROUTING_KEY = "default"
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_TASK_ROUTES = {
    "training.tasks.fit": {"queue": "train", "routing_key": "train"},
    "training.tasks.fit_policy": {"queue": "train", "routing_key": "train"},
    "personalization.tasks.write_round": {"queue": "train", "routing_key": "train"},
    "personalization.tasks.run_machine": {"queue": "train", "routing_key": "train"},
}
CELERY_BEAT_SCHEDULE = {
    "sweep-jobs": {"task": "training.tasks.sweep", "schedule": 10.0},
    "clean-artifacts": {"task": "training.tasks.clean", "schedule": 3_600.0},
    "sweep-leases": {"task": "annotator.tasks.sweep", "schedule": 60.0},
    "deliver-webhooks": {"task": "annotator.tasks.deliver_webhooks", "schedule": 5.0},
    "assess-quality": {"task": "annotator.tasks.assess_quality", "schedule": 60.0},
    "sweep-erasures": {"task": "personalization.tasks.sweep_erasures", "schedule": 60.0},
    "reapply-erasures": {"task": "personalization.tasks.reapply_erasures", "schedule": 3_600.0},
    "sweep-rounds": {"task": "personalization.tasks.sweep_jobs", "schedule": 10.0},
    "sweep-latents": {"task": "personalization.tasks.sweep", "schedule": 60.0},
}

# The one backward arrow of the layers (docs/decisions/0003): who chooses the next pair or line-up, called as
# ``annotator.services.choosing`` says; and what machines had said of a pair, as ``annotator.services.opinions`` says.
ATTUNE_CHOOSER = env.str("ATTUNE_CHOOSER", default="personalization.choosing.choose")
ATTUNE_LINEUP_CHOOSER = env.str("ATTUNE_LINEUP_CHOOSER", default="personalization.choosing_lineups.choose")
ATTUNE_OPINIONS = env.str("ATTUNE_OPINIONS", default="personalization.machines.telling.opinions_for")
API_REQUESTS_PER_MINUTE = env.int("API_REQUESTS_PER_MINUTE", default=60_000)
"""What one token may ask, unless it says otherwise; 0 is no limit. Counted in the cache "default": without ``CACHE_URL``
each web process counts by itself."""
WEBHOOKS_PRIVATE = env.bool("WEBHOOKS_PRIVATE", default=False)
"""Whether webhooks may go to http:// and to addresses that are not public, as on one machine."""
PICTURES_PRIVATE = env.bool("PICTURES_PRIVATE", default=False)
JUDGES_PRIVATE = env.bool("JUDGES_PRIVATE", default=False)
"""Whether machine annotators may be asked at http:// and at addresses that are not public."""
"""Whether pictures may be fetched from http:// and from addresses that are not public, as a store in one's own network."""
IMPORT_FROM_URLS = env.bool("IMPORT_FROM_URLS", default=False)
"""Whether owners may have the server fetch files to import from public https:// addresses."""
ATTUNE_POLICY_PROCESSES = env.int("ATTUNE_POLICY_PROCESSES", default=0)
"""Processes that train one policy; 0: one per GPU of the worker, or one."""
ATTUNE_POLICY_BASES = env.list("ATTUNE_POLICY_BASES", default=[])
"""Base models that owners may choose beside the tiny one: ``name@commit``, or a folder."""
SCORER_URL = env.str("SCORER_URL", default="")
"""Where the process that loads the encoder listens: ``http://host:port`` or ``unix:/path``. Empty: known texts only."""

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {"httpx": {"level": "WARNING"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
}
