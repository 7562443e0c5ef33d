"""What came, what went and what was changed from one snapshot to another."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from attune.data import JUDGMENT_FIELDS, Judgment, Response, iterate_judgments, iterate_responses

Key = tuple[str, str, str, bool, int]
"""Who, of which two responses, at a hidden second look or not, and which of several: a judgment over its revisions."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A judgment that both snapshots hold, in different revisions. ``fields``: what differs, the time aside."""

    before: Judgment
    after: Judgment
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SnapshotDiff:
    """Rows in the order of judging; ``same`` is how many judgments are equal in both."""

    came: list[Judgment] = field(default_factory=list)
    went: list[Judgment] = field(default_factory=list)
    changed: list[Changed] = field(default_factory=list)
    same: int = 0

    @property
    def counts(self) -> dict[str, int]:
        return {"came": len(self.came), "went": len(self.went), "changed": len(self.changed), "same": self.same}


def diff_snapshots(before: str | Path, after: str | Path) -> SnapshotDiff:
    """Compare two snapshots' folders.

    Of judgments that are equal in both only a hash of 16 bytes is held in memory. Raises ``ArtifactError`` or ``BadData`` for a
    folder that can't be read.
    """
    left, right = Path(before), Path(after)
    unmatched = Counter(map(_hash, iterate_judgments(right)))
    total = sum(unmatched.values())
    gone = [each for each in iterate_judgments(left) if not _taken(unmatched, _hash(each))]
    new = [each for each in iterate_judgments(right) if unmatched and _taken(unmatched, _hash(each))]
    return _matched(gone, new, total - len(new))


def texts_of(folder: str | Path, ids: set[str]) -> dict[str, Response]:
    """Those of a snapshot's responses that have one of the ids."""
    return {each.id: each for each in iterate_responses(Path(folder)) if each.id in ids}


def _matched(gone: list[Judgment], new: list[Judgment], same: int) -> SnapshotDiff:
    diff = SnapshotDiff(same=same)
    earlier = dict(_keyed(gone))
    for key, after in _keyed(new):
        before = earlier.pop(key, None)
        if before is None:
            diff.came.append(after)
        else:
            diff.changed.append(Changed(before, after, _differing(before, after)))
    diff.went.extend(earlier.values())
    return diff


def _keyed(judgments: list[Judgment]) -> Iterator[tuple[Key, Judgment]]:
    seen: Counter[tuple[str, str, str, bool]] = Counter()
    for each in judgments:
        about = (each.annotator, each.a, each.b, each.repeat)
        yield (*about, seen[about]), each
        seen[about] += 1


def _differing(before: Judgment, after: Judgment) -> tuple[str, ...]:
    names = (name for name in JUDGMENT_FIELDS if name != "judged_at")
    return tuple(name for name in names if getattr(before, name) != getattr(after, name))


def _hash(judgment: Judgment) -> bytes:
    values = [getattr(judgment, name) for name in JUDGMENT_FIELDS]
    return hashlib.blake2b(orjson.dumps(values), digest_size=16).digest()


def _taken(counts: Counter[bytes], key: bytes) -> bool:
    """Whether one is there still; it is used up."""
    if key not in counts:
        return False
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
    return True
