"""Web processes never load torch: not with the addresses, not with the views, not while they score."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
import django
django.setup()
from django.urls import get_resolver

def walk(patterns):
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from walk(pattern.url_patterns)
        else:
            yield pattern.callback

views = list(walk(get_resolver().url_patterns))
assert len(views) > 30, len(views)

from django.conf import settings
from django.utils.module_loading import import_string
import_string(settings.ATTUNE_CHOOSER)

import numpy as np
from attune.rewards import model_class
model = model_class("hybrid")
import personalization.scorer.app  # the encoder is only imported when it encodes

heavy = [name for name in ("torch", "transformers", "sentence_transformers") if name in sys.modules]
assert not heavy, heavy
print("light")
"""


def test_importing_every_view_loads_no_torch() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "light"
