"""Comparing snapshots: by hand and against a naive comparison of random ones."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from attune.data import Judgment, Response, write_snapshot
from attune.errors import ArtifactError
from attune.snapshot_diff import diff_snapshots, texts_of

RESPONSES = [Response(str(n), "How?", f"Answer {n}.") for n in range(8)]


def frozen(folder: Path, judgments: list[Judgment]) -> Path:
    write_snapshot(folder, RESPONSES, judgments, {})
    return folder


def some(draw: random.Random) -> list[Judgment]:
    """Judgments of few people on few pairs, so that many meet; at most one first look for each of them."""
    found = {}
    for minute in range(draw.randrange(1, 60)):
        a = str(draw.randrange(4))
        judgment = Judgment(
            str(draw.randrange(3)), a, str(4 + int(a)), draw.choice(("a", "b", "tie")), judged_at=f"{minute:03}"
        )
        found[judgment.annotator, a] = judgment
    return [*found.values()]


@pytest.mark.parametrize("seed", range(20))
def test_it_is_what_a_naive_comparison_finds(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    left, right = some(draw), some(draw)
    right += [
        each
        for each in left
        if draw.random() < 0.5 and not any((o.annotator, o.a) == (each.annotator, each.a) for o in right)
    ]
    diff = diff_snapshots(frozen(tmp_path / "left", left), frozen(tmp_path / "right", right))
    before, after = ({(each.annotator, each.a): each for each in rows} for rows in (left, right))
    assert {(each.annotator, each.a) for each in diff.came} == after.keys() - before.keys()
    assert {(each.annotator, each.a) for each in diff.went} == before.keys() - after.keys()
    both = before.keys() & after.keys()
    assert {(each.after.annotator, each.after.a) for each in diff.changed} == {k for k in both if before[k] != after[k]}
    assert diff.same == sum(before[key] == after[key] for key in both)
    assert sum(diff.counts.values()) == len(before.keys() | after.keys())


def test_second_looks_are_judgments_of_their_own(tmp_path: Path) -> None:
    first = Judgment("1", "0", "4", "a", judged_at="1")
    looks = [replace(first, repeat=True, judged_at=str(n), choice="b") for n in (2, 3)]
    left = frozen(tmp_path / "left", [first, looks[0]])
    right = frozen(tmp_path / "right", [replace(first, judged_at="0"), *looks])
    diff = diff_snapshots(left, right)
    assert diff.counts == {"came": 1, "went": 0, "changed": 1, "same": 1}
    assert diff.came == [looks[1]]
    assert diff.changed[0].fields == ()  # only the time


def test_texts_and_missing_folders(tmp_path: Path) -> None:
    folder = frozen(tmp_path / "one", [Judgment("1", "0", "4", "a")])
    assert {key: each.text for key, each in texts_of(folder, {"4", "99"}).items()} == {"4": "Answer 4."}
    with pytest.raises(ArtifactError, match="cannot be read"):
        diff_snapshots(folder, tmp_path / "none")
