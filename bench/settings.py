"""The local settings with one more address: the bare view that figures are compared with."""

from config.settings.local import *  # noqa: F403 (these are the settings)

ROOT_URLCONF = "bench.urls"
