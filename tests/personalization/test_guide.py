"""docs/guide.md runs, block by block, as it is printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from tests.factories import make_annotator
from tests.personalization.conftest import Api, World
from tests.personalization.worlds import judge

GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.django_db(transaction=True)
def test_every_block_runs(
    world: World, live_server: LiveServer, scorer: str, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.ATTUNE_CHOOSER = ""
    others = [make_annotator(world.project, ref=f"reader-{n}") for n in range(2)]
    for person in [world.judge, *others]:
        judge(person, world.pairs[0], "a")
    monkeypatch.setenv("ATTUNE_URL", live_server.url)
    monkeypatch.setenv("ATTUNE_TOKEN", Api(world.people.owner, ("score", "read", "write")).token)
    blocks = BLOCK.findall(GUIDE.read_text())
    assert len(blocks) >= 8
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, str(GUIDE), "exec"), names)
    assert names["personal"].scores != names["everybody"].scores
    assert (names["personal"].n_judgments, names["newcomer"].n_judgments) == (1, 1)
    assert names["judgment"].withdrawn is False
    assert {row["annotator"] for row in names["rows"]} >= {world.judge.ref, "reader-0", "guide-reader"}
