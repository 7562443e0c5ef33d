"""Static files under hashed names: our modules import each other by them."""

from __future__ import annotations

import json
import re
from pathlib import Path

from django.core.management import call_command
from pytest_django import Settings


def test_modules_import_each_other_by_hashed_names(settings: Settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = str(tmp_path)
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": "config.storage.StaticFiles"}}
    call_command("collectstatic", interactive=False, verbosity=0)
    names = json.loads((tmp_path / "staticfiles.json").read_text())["paths"]
    script = (tmp_path / names["js/judge.js"]).read_text()
    imports = re.findall(r'from "(\./judge/[^"]+)"', script)
    assert len(imports) >= 5
    assert {f"js/{name.removeprefix('./')}" for name in imports} <= set(names.values())
    assert (tmp_path / f"{names['js/judge.js']}.gz").exists()
