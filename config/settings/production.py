"""Production: every secret and address from the environment, and no start on an unsafe value."""

from django.core.exceptions import ImproperlyConfigured

from config.settings.base import *
from config.settings.base import CACHES, DATABASE_OPTIONS, STORAGES, env

DEBUG = False
SECRET_KEY = env.str("SECRET_KEY")
if len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 10:
    raise ImproperlyConfigured("SECRET_KEY must be at least 50 characters of real randomness.")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS")
if not ALLOWED_HOSTS or "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured("ALLOWED_HOSTS must name the hosts that are served, without '*'.")
if env.bool("DEBUG", default=False):
    raise ImproperlyConfigured("DEBUG can't be switched on in production.")
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in ALLOWED_HOSTS]
DATABASES = {"default": {**env.db_url("DATABASE_URL"), **DATABASE_OPTIONS}}
CELERY_BROKER_URL = env.str("BROKER_URL")
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="smtp://localhost:25")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=f"attune@{ALLOWED_HOSTS[0]}")

if cache_url := env.str("CACHE_URL", default=""):
    CACHES["default"] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": cache_url,
        "OPTIONS": {"serializer": "config.cache.JsonSerializer"},
    }
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXIES", default=1)

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = True
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=60 * 60 * 24 * 30)
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True

if bucket := env.str("S3_BUCKET", default=""):
    for name in ("default", "uploads", "artifacts", "media"):
        STORAGES[name] = {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {
                "bucket_name": bucket,
                "location": name,
                "endpoint_url": env.str("S3_ENDPOINT", default=None),
                "default_acl": None,
                "querystring_auth": True,
            },
        }
