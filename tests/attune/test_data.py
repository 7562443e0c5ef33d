"""Snapshots on disk and flat rows of judgments."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from attune.data import (
    Judgment,
    Response,
    content_digest,
    flatten_prompt,
    read_judgments,
    read_snapshot,
    write_snapshot,
)
from attune.errors import ArtifactError, BadData

RESPONSES = [Response("r1", "Why?", "Because.", "t"), Response("r2", "Why?", "No idea — “maybe”.", "t")]
JUDGMENTS = [
    Judgment(
        "ann", "r1", "r2", "a", strength=2, swapped=True, rationale="clear", tags=("a+clear",), judged_at="2026-01-01"
    ),
    Judgment("bob", "r2", "r1", "tie", part="test", slices=("contested",), repeat=True),
]
ROW = {"annotator": "ann", "prompt": "Q", "response_a": "x", "response_b": "y", "preference": "a"}


def write_rows(path: Path, *rows: object) -> Path:
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_a_snapshot_comes_back_as_it_was_written(tmp_path: Path) -> None:
    digest = write_snapshot(tmp_path / "s", RESPONSES, JUDGMENTS, {"filters": {"topic": "t"}})
    snapshot = read_snapshot(tmp_path / "s")
    assert snapshot.responses == {"r1": RESPONSES[0], "r2": RESPONSES[1]}
    assert snapshot.judgments == tuple(JUDGMENTS)
    assert (snapshot.digest, snapshot.about) == (digest, {"filters": {"topic": "t"}})


def test_equal_rows_give_equal_bytes_and_digest(tmp_path: Path) -> None:
    digests = {write_snapshot(tmp_path / name, RESPONSES, JUDGMENTS, {"name": name}) for name in ("one", "two")}
    other = write_snapshot(tmp_path / "three", RESPONSES, JUDGMENTS[:1], {})
    assert len(digests) == 1
    assert other not in digests
    for name in ("responses.jsonl.gz", "judgments.jsonl.gz"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_changed_row_is_noticed(tmp_path: Path) -> None:
    write_snapshot(tmp_path / "s", RESPONSES, JUDGMENTS, {})
    path = tmp_path / "s" / "judgments.jsonl.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b'"choice":"a"', b'"choice":"b"')))
    with pytest.raises(ArtifactError, match="has changed since it was written"):
        read_snapshot(tmp_path / "s")


def test_a_cut_off_file_is_noticed(tmp_path: Path) -> None:
    write_snapshot(tmp_path / "s", RESPONSES, JUDGMENTS, {})
    path = tmp_path / "s" / "judgments.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_snapshot(tmp_path / "s")


def test_a_snapshot_is_never_overwritten(tmp_path: Path) -> None:
    write_snapshot(tmp_path / "s", RESPONSES, JUDGMENTS, {})
    with pytest.raises(ArtifactError, match="already exists"):
        write_snapshot(tmp_path / "s", RESPONSES, JUDGMENTS, {})


def test_a_bad_judgment_leaves_nothing_behind(tmp_path: Path) -> None:
    wrong = Judgment("ann", "r1", "r9", "a")
    with pytest.raises(BadData, match=r"judgment 3, field 'b' is 'r9'; expected the id of a response"):
        write_snapshot(tmp_path / "s", RESPONSES, [*JUDGMENTS, wrong], {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("judgment", "message"),
    [
        (Judgment("ann", "r1", "r1", "a"), "expected another response than a"),
        (Judgment("ann", "r1", "r2", "left"), "expected 'a' or 'b' or 'tie' or 'both_good' or 'both_bad'"),  # type: ignore[arg-type]
        (Judgment("ann", "r1", "r2", "a", strength=4), "expected 1, 2, 3 or null"),
        (Judgment("", "r1", "r2", "a"), "expected a text that is not empty"),
        (Judgment("ann", "r1", "r2", "a", rationale="\ud800"), "not valid text"),
    ],
)
def test_a_judgment_that_makes_no_sense_is_refused(tmp_path: Path, judgment: Judgment, message: str) -> None:
    with pytest.raises(BadData, match=message):
        write_snapshot(tmp_path / "s", RESPONSES, [judgment], {})


def test_writing_many_judgments_takes_no_more_memory_than_few(tmp_path: Path) -> None:
    def many(count: int) -> Iterator[Judgment]:
        return (Judgment(f"annotator-{n}", "r1", "r2", "a", rationale=f"reason {n}") for n in range(count))

    peaks = []
    for count in (200, 20_000):
        tracemalloc.start()
        write_snapshot(tmp_path / str(count), RESPONSES, many(count), {})
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 200_000


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_flat_rows_derive_ids_from_the_texts(tmp_path: Path, name: str) -> None:
    snapshot = read_judgments(write_rows(tmp_path / name, ROW, {**ROW, "annotator": "bob", "preference": "tie"}))
    a, b = content_digest("Q", "x"), content_digest("Q", "y")
    assert [(j.annotator, j.a, j.b, j.choice) for j in snapshot.judgments] == [("ann", a, b, "a"), ("bob", a, b, "tie")]
    assert snapshot.responses[a] == Response(a, "Q", "x")


def test_flat_rows_keep_given_ids_messages_and_slices(tmp_path: Path) -> None:
    row = {
        **ROW,
        "prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Q"}],
        "response_a_id": "i1",
        "response_b_id": "i2",
        "topic": "t",
        "part": "context",
        "slices": ["contested"],
        "rationale": "shorter",
        "unknown": 1,
    }
    snapshot = read_judgments(write_rows(tmp_path / "rows.jsonl", row))
    assert snapshot.responses["i1"] == Response("i1", "system: Be brief.\n\nuser: Q", "x", "t")
    assert snapshot.judgments == (
        Judgment("ann", "i1", "i2", "a", rationale="shorter", part="context", slices=("contested",)),
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", r"rows.jsonl line 2 is not JSON"),
        ("[]", r"line 2 is not a JSON object"),
        ({**ROW, "preference": "left"}, r"line 2, field 'preference' is 'left'; expected 'a' or 'b'"),
        ({**ROW, "annotator": None}, r"line 2, field 'annotator' is None"),
        ({**ROW, "response_b": "x"}, r"expected another response than a"),
        ({**ROW, "prompt": [{"role": "user"}]}, r"field 'prompt' is .* expected a text or a list of messages"),
        ({**ROW, "response_a_id": content_digest("Q", "y")}, r"expected an id that always goes with the same prompt"),
        ({**ROW, "slices": "contested"}, r"field 'slices' is 'contested'; expected a list of texts"),
    ],
)
def test_a_bad_flat_row_is_named_by_line_field_and_reason(tmp_path: Path, row: object, message: str) -> None:
    with pytest.raises(BadData, match=message):
        read_judgments(write_rows(tmp_path / "rows.jsonl", ROW, row))


def test_invalid_utf8_is_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(json.dumps(ROW).encode() + b'\n{"annotator": "\xff"}\n')
    with pytest.raises(BadData, match="line 2 is not JSON"):
        read_judgments(path)


def test_digests_keep_prompt_and_response_apart() -> None:
    assert content_digest("ab", "c") != content_digest("a", "bc")
    assert content_digest("a", "b") == content_digest("a", "b")
    assert len(content_digest("", "")) == 64


def test_a_lone_user_message_is_its_own_text() -> None:
    assert flatten_prompt([{"role": "user", "content": "Hello"}]) == "Hello"
    assert flatten_prompt("Hello") == "Hello"
