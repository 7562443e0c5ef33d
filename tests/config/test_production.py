"""Production refuses to start on an unsafe or missing value, and says which."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.core.cache.backends.redis import RedisSerializer

from config.cache import JsonSerializer

GOOD = {
    "DJANGO_SETTINGS_MODULE": "config.settings.production",
    "SECRET_KEY": "q8Xv2mZr7LtKc0Yw5NpBh3JsGd9FaUe6RiTo1QxMzVbCnWkE4y",
    "ALLOWED_HOSTS": "attune.example.org",
    "DATABASE_URL": "postgres://attune:secret@127.0.0.1:1/attune",
    "BROKER_URL": "redis://127.0.0.1:1/0",
}


def start(**changes: str | None) -> subprocess.CompletedProcess[str]:
    values = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | values
    code = "from django.conf import settings; print(settings.SESSION_COOKIE_SECURE, settings.DEBUG)"
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


def test_it_starts_on_good_values() -> None:
    assert start().stdout.split() == ["True", "False"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"SECRET_KEY": None}, "SECRET_KEY"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY must be at least 50 characters"),
        ({"SECRET_KEY": "a" * 60}, "SECRET_KEY must be"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS must name the hosts"),
        ({"ALLOWED_HOSTS": None}, "ALLOWED_HOSTS"),
        ({"DATABASE_URL": None}, "DATABASE_URL"),
        ({"BROKER_URL": None}, "BROKER_URL"),
        ({"DEBUG": "1"}, "DEBUG can't be switched on"),
    ],
)
def test_it_does_not_start_otherwise(changes: dict[str, str | None], said: str) -> None:
    done = start(**changes)
    assert done.returncode != 0
    assert said in done.stderr


def test_the_shared_cache_holds_json_and_counts() -> None:
    serializer = JsonSerializer()
    assert serializer.loads(serializer.dumps([1.5, 2.5])) == [1.5, 2.5]  # type: ignore[arg-type]
    assert serializer.dumps(3) == RedisSerializer().dumps(3) == 3
    assert b"\x80" not in serializer.dumps({"a": True})  # type: ignore[operator]
