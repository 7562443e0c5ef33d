"""What a web process or a waiting worker loads must be light: torch costs seconds, and forking after it hangs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LOOK = """
import pkgutil, sys, importlib
import django
django.setup()
import training, config.celery, config.urls, attune.artifact, attune.rewards.hybrid, attune.rewards.bradley_terry
for found in pkgutil.walk_packages(training.__path__, "training."):
    importlib.import_module(found.name)
config.celery.app.loader.import_default_modules()
heavy = {"torch", "transformers", "sentence_transformers"} & sys.modules.keys()
print(sorted(heavy), "training.tasks.fit" in config.celery.app.tasks, "training.execution" in sys.modules)
"""


def test_nothing_here_loads_torch() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LOOK],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "[] True True"
