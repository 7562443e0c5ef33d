"""Datasets for trainers: rows as they read them, decisions as they were made, files that don't change by themselves."""

from __future__ import annotations

import hashlib
import io
import json
import tracemalloc
import warnings
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.test import Client
from pytest_django import Settings

from annotator.errors import Invalid
from annotator.exports.dataset_columns import COLUMNS
from annotator.exports.dataset_options import FORMS, DatasetOptions
from annotator.exports.dataset_rows import dataset_rows
from annotator.exports.datasets import write_dataset, write_folder
from annotator.exports.keeping import forget_old, kept_dataset
from annotator.exports.options import Tally
from annotator.models import Annotator, AuditEntry, Flag, Judgment, Project, Span
from annotator.services.erasing import delete_project
from tests.annotator.api import Program, refused
from tests.annotator.importing import row, take
from tests.factories import ThreePeople, make_project, make_user

pytestmark = pytest.mark.django_db
DAY = datetime(2026, 8, 1, tzinfo=UTC)


@pytest.fixture
def project() -> Project:
    """Four annotators on three prompts: strengths, a tie, both bad, a skip, a hidden repeat, a simulated one, one dropped."""
    project = make_project(
        slug="tea", description="Which is better?", source_note="CC-BY-4.0", instructions="Read both."
    )

    def said(n: int, who: str, prompt: int, preference: str, **more: Any) -> dict[str, Any]:
        ids = {"prompt_id": f"p{prompt}", "response_a_id": f"p{prompt}a", "response_b_id": f"p{prompt}b"}
        texts = {
            "prompt": f"Question {prompt}?",
            "response_a": f"Short {prompt}.",
            "response_b": f"Much longer {prompt}.",
        }
        at = (DAY + timedelta(days=n)).isoformat()
        return row(
            annotator=who, preference=preference, judged_at=at, model_a="m1", model_b="m2", **ids, **texts, **more
        )

    take(
        project,
        said(
            0, "ann", 1, "a", strength=3, rationale="It is short.", tags=[{"tag": "clear", "side": "a", "good": True}]
        ),
        said(1, "ann", 2, "b", strength=1, swapped=True, rationale="Longer."),
        said(2, "ann", 3, "tie"),
        said(3, "ben", 1, "b", topic="kitchen"),
        said(4, "ben", 2, "both_bad"),
        said(5, "ben", 3, "skip"),
        said(6, "cat", 1, "a", strength=2),
        said(7, "cat", 1, "b", occasion=1),
        said(8, "dot", 2, "a", simulated=True),
    )
    Annotator.objects.filter(ref="cat").update(dropped_at=DAY)
    return project


def rows(project: Project, tally: Tally | None = None, **options: Any) -> list[dict[str, Any]]:
    return list(dataset_rows(project, DatasetOptions(names="references", **options), tally or Tally()))


def written(project: Project, **options: Any) -> bytes:
    out = io.BytesIO()
    write_dataset(project, DatasetOptions(**options), out)
    return out.getvalue()


# --- forms ----------------------------------------------------------------------------------------------------------


def test_preference_with_an_explicit_prompt(project: Project) -> None:
    tally = Tally()
    found = rows(project, tally)
    assert [(each["annotator"], each["chosen"][0]["content"], each["rejected"][0]["content"]) for each in found] == [
        ("ann", "Short 1.", "Much longer 1."),
        ("ann", "Much longer 2.", "Short 2."),
        ("ben", "Much longer 1.", "Short 1."),
        ("dot", "Short 2.", "Much longer 2."),
    ]
    assert found[0]["prompt"] == [{"role": "user", "content": "Question 1?"}]
    assert (found[0]["strength"], found[0]["rationale"], found[0]["tags"], found[0]["tie"]) == (
        3,
        "It is short.",
        ["clear"],
        False,
    )
    assert (found[0]["chosen_id"], found[0]["chosen_source"], found[1]["chosen_source"]) == ("p1a", "m1", "m2")
    assert [each["simulated"] for each in found] == [False, False, False, True]
    assert dict(tally.left_out) == {"ties": 1, "both bad": 1, "skipped": 1, "by annotators who failed the checks": 2}


def test_implicit_and_reward(project: Project) -> None:
    first = rows(project, form="implicit")[0]
    assert [turn["role"] for turn in first["chosen"]] == ["user", "assistant"]
    assert first["chosen"][:1] == first["rejected"][:1]
    assert "prompt" not in first
    margins = rows(project, form="reward", ties="both")
    assert [(each["margin"], each["tie"]) for each in margins] == [
        *((3.0, False), (1.0, False), (0.0, True), (0.0, True), (1.0, False), (1.0, False))
    ]
    tie = [each for each in margins if each["tie"]]
    assert tie[0]["chosen"] == tie[1]["rejected"]


def test_flagged_pairs_and_both_good(project: Project) -> None:
    take(project, row(annotator="eve", prompt_id="p9", prompt="Ninth?", preference="both_good"))
    labels = [each["label"] for each in rows(project, form="kto", both_good="tie")]
    assert labels.count(True) == len(rows(project)) + 2
    judgment = Judgment.objects.filter(annotator__ref="ben").earliest("pk")
    Flag.objects.create(judgment=judgment, kind="broken", about="prompt")
    tally = Tally()
    assert {each["prompt_id"] for each in rows(project, tally)} == {"p2"}
    assert tally.left_out["of flagged pairs"] == 2
    assert {each["prompt_id"] for each in rows(project, flagged="keep")} == {"p1", "p2"}


def test_kto_and_both_bad(project: Project) -> None:
    found = rows(project, form="kto", both_bad="tie")
    labels = [(each["annotator"], each["response_id"], each["label"]) for each in found]
    assert labels[:2] == [("ann", "p1a", True), ("ann", "p1b", False)]
    assert ("ben", "p2a", False) in labels
    assert ("ben", "p2b", False) in labels
    assert len(rows(project, form="kto")) == len(found) - 2


def test_sft_prompts_and_ranked(project: Project) -> None:
    assert [each["completion"][0]["content"] for each in rows(project, form="sft")] == [
        *("Short 1.", "Much longer 2.", "Much longer 1.", "Short 2.")
    ]
    assert [each["prompt_id"] for each in rows(project, form="prompts")] == ["p1", "p2", "p3"]
    ranked = {(each["annotator"], each["prompt_id"]): each for each in rows(project, form="ranked")}
    assert ranked["ann", "p1"]["completions"] == ["Short 1.", "Much longer 1."]
    assert (ranked["ann", "p1"]["ranks"], ranked["ann", "p3"]["ranks"]) == ([1, 2], [1, 1])
    assert ranked["ann", "p3"]["consistent"] is True


def test_ranks_of_a_cycle_are_equal_and_say_so() -> None:
    project = make_project()
    texts = {"x": "X.", "y": "Y.", "z": "Z."}
    take(
        project,
        *(
            row(annotator="ann", prompt="Cycle?", response_a=texts[a], response_b=texts[b], preference="a")
            for a, b in (("x", "y"), ("y", "z"), ("z", "x"))
        ),
    )
    (found,) = rows(project, form="ranked")
    assert (found["ranks"], found["wins"], found["consistent"]) == ([1, 1, 1], [1.0, 1.0, 1.0], False)


def test_rationales_are_as_shown_and_spans_are_marked(project: Project) -> None:
    first, second = rows(project, form="rationales")
    assert (first["response_a"], first["choice"], first["reasons"][0]["side"]) == ("Short 1.", "a", "a")
    assert (second["response_a"], second["choice"]) == ("Much longer 2.", "a")  # it was on the left
    judgment = Judgment.objects.select_related("pair").earliest("pk")
    assert judgment.pair
    Span.objects.create(
        judgment=judgment,
        response_id=judgment.pair.response_a_id,
        start=0,
        end=5,
        quote="Short",
        good=True,
        tag="clear",
    )
    (span,) = rows(project, form="spans")
    assert (span["response"][span["start"] : span["end"]], span["good"], span["response_id"]) == ("Short", True, "p1a")


def test_context_sets(project: Project) -> None:
    found = {each["annotator"]: each for each in rows(project, form="contexts", ties="both")}
    assert set(found) == {"ann", "ben", "dot"}
    assert [(each["chosen"], each["tie"]) for each in found["ann"]["judgments"]] == [
        *(("Short 1.", False), ("Much longer 2.", False), ("Short 3.", True))
    ]
    assert found["ann"]["count"] == 3


def test_label_studio_and_argilla(project: Project) -> None:
    tasks = json.loads(written(project, form="label_studio", type="json"))
    first = tasks[0]
    assert (first["data"]["text1"], first["annotations"][0]["result"][0]["value"]) == ("Short 1.", {"selected": "left"})
    assert len(first["annotations"]) == 2
    records = json.loads(written(project, form="argilla", type="json", names="references"))
    assert records[0]["responses"]["preference"] == [{"value": "a", "user_id": "ann"}, {"value": "b", "user_id": "ben"}]
    assert records[0]["fields"]["response_a"] == "Short 1."
    assert json.loads(written(make_project(), form="argilla", type="json")) == []


# --- decisions ------------------------------------------------------------------------------------------------------


def test_who_is_taken_in(project: Project) -> None:
    Annotator.objects.filter(ref="ben").update(in_training=False)
    assert {each["annotator"] for each in rows(project)} == {"ann", "dot"}
    assert {each["annotator"] for each in rows(project, people="all")} == {"ann", "ben", "dot"}
    assert {each["annotator"] for each in rows(project, failed_checks="keep")} == {"ann", "cat", "dot"}
    assert len(rows(project, failed_checks="keep", repeats="keep")) == len(rows(project, failed_checks="keep")) + 1
    assert {each["annotator"] for each in rows(project, simulated="only")} == {"dot"}
    assert {each["annotator"] for each in rows(project, simulated="exclude")} == {"ann"}


def test_pseudonyms_are_the_datasets_own(project: Project) -> None:
    def names(**options: Any) -> set[str]:
        return {json.loads(line)["annotator"] for line in written(project, **options).splitlines()}

    first = names()
    assert first == names()
    assert not first & names(salt="another")
    assert not first & names(form="kto")
    assert all(name.startswith("a-") and "ann" not in name[1:] for name in first)
    assert b"ann" not in written(project, form="contexts").replace(b'"annotator"', b"")


@pytest.mark.parametrize("by", ["annotator", "prompt", "time"])
def test_splits_never_leak(by: Any) -> None:
    project = make_project()
    take(
        project,
        *(
            row(annotator=f"a{n % 30}", prompt=f"Question {n % 17}?", response_a="A.", response_b="B.", preference="ab"[n % 2],
                judged_at=(DAY + timedelta(minutes=n)).isoformat())
            for n in range(400)
        ),
    )  # fmt: skip
    found = rows(project, split=by, held_out=0.2)
    key = {"annotator": "annotator", "prompt": "prompt_id", "time": "judged_at"}[by]
    parts = {
        split: {each[key] for each in found if each["split"] == split} for split in ("train", "validation", "test")
    }
    assert all(parts.values()), {name: len(part) for name, part in parts.items()}
    assert not parts["train"] & parts["test"]
    assert not parts["train"] & parts["validation"]
    assert not parts["validation"] & parts["test"]
    if by == "time":
        assert max(parts["train"]) < min(parts["validation"]) <= max(parts["validation"]) < min(parts["test"])
    assert found == rows(project, split=by, held_out=0.2)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"form": "dpo"}, "form"),
        ({"ties": "maybe"}, "ties"),
        ({"held_out": 0.9}, "held_out"),
        ({"held_out": "x"}, "held_out"),
        ({"type": "json"}, "type"),
        ({"form": "argilla", "type": "parquet"}, "type"),
        ({"salt": "x" * 201}, "salt"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_can_not_be_asked_for(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        DatasetOptions.read(wrong)
    assert set(caught.value.fields) == {field}


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [form for form in FORMS if COLUMNS[form]])
def test_every_form_in_every_type_has_its_columns(project: Project, form: Any) -> None:
    lines = [json.loads(line) for line in written(project, form=form).splitlines()]
    names = [column.name for column in COLUMNS[form]]
    assert all(list(line) == names for line in lines)
    assert written(project, form=form, type="csv").decode().splitlines()[0] == ",".join(names)
    table = pq.read_table(io.BytesIO(written(project, form=form, type="parquet")))
    assert (table.column_names, table.num_rows) == (names, len(lines))
    plain = [column.name for column in COLUMNS[form] if column.type != "json"]
    for line, kept in zip(lines, table.to_pylist(), strict=True):
        assert {name: kept[name] for name in plain} == {name: line[name] for name in plain}


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet", "folder"])
def test_unchanged_data_are_the_same_bytes(project: Project, kind: Any) -> None:
    first = written(project, type=kind, split="prompt")
    assert first == written(project, type=kind, split="prompt")
    take(project, row(annotator="new", prompt="New?"))
    assert first != written(project, type=kind, split="prompt")


def test_a_folder_that_datasets_opens_with_a_card_and_croissant(project: Project, tmp_path: Path) -> None:
    import datasets
    import mlcroissant

    options = DatasetOptions(form="preference", type="folder", split="annotator", held_out=0.3, ties="both")
    done = write_folder(project, options, tmp_path / "tea")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = datasets.load_dataset(str(tmp_path / "tea"), cache_dir=str(tmp_path / "cache"))
    assert {name: len(part) for name, part in loaded.items()} == {each.split: each.rows for each in done.files}
    assert sum(len(part) for part in loaded.values()) == done.tally.rows == 6
    first = done.files[0]  # chance may leave all of so few people out of any one split
    example = loaded[first.split][0]
    assert example["prompt"][0]["role"] == "user"
    assert example["chosen"][0]["content"]
    card = (tmp_path / "tea" / "README.md").read_text()
    for said in (
        "3 people and 1 simulated",
        "CC-BY-4.0",
        "> Read both.",
        "Ties | both",
        "by annotators who failed the checks",
        "nobody is in two",
    ):
        assert said in card, said
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        described = mlcroissant.Dataset(jsonld=str(tmp_path / "tea" / "croissant.json"))
        assert not described.metadata.issues.errors, described.metadata.issues.errors
        records = list(described.records(record_set=first.split))
    assert len(records) == first.rows
    raw = json.loads((tmp_path / "tea" / "croissant.json").read_text())
    assert raw["rai:annotatorDemographics"] == ["Not collected"]


def test_trl_takes_the_rows_as_they_are(project: Project) -> None:
    from trl.data_utils import is_conversational, maybe_extract_prompt, maybe_unpair_preference_dataset

    explicit, implicit = rows(project)[0], rows(project, form="implicit")[0]
    assert is_conversational(explicit)
    assert maybe_extract_prompt(implicit)["prompt"] == explicit["prompt"]
    assert maybe_extract_prompt(implicit)["chosen"] == explicit["chosen"]
    import datasets

    pairs = datasets.Dataset.from_list(
        [{name: each[name] for name in ("prompt", "chosen", "rejected")} for each in rows(project)]
    )
    unpaired = maybe_unpair_preference_dataset(pairs)
    ours = rows(project, form="kto")
    key = [(each["prompt"], each["completion"], each["label"]) for each in unpaired]
    assert sorted(map(str, key)) == sorted(str((each["prompt"], each["completion"], each["label"])) for each in ours)


def test_memory_is_flat(project: Project) -> None:
    text = "word " * 200
    take(
        project,
        *(
            row(annotator=f"a{n}", prompt=f"Q{n}?", response_a=f"{text}{n}", response_b=f"{n}{text}")
            for n in range(3000)
        ),
    )

    class Nothing(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            return len(data)

    tracemalloc.start()
    write_dataset(project, DatasetOptions(), Nothing())  # type: ignore[arg-type]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


# --- over HTTP ------------------------------------------------------------------------------------------------------


def test_etag_and_ranges(people: ThreePeople, settings: Settings, tmp_path: Path) -> None:
    settings.ATTUNE_HOME = tmp_path
    take(people.project, row(annotator="x"), row(annotator="y"))
    owner = Program(people.owner, people.project)
    path = "/dataset?form=preference&split=prompt"
    whole = owner.send("GET", path)
    body = b"".join(whole.streaming_content)
    assert whole["ETag"] == f'"{hashlib.sha256(body).hexdigest()}"'
    assert (whole["Attune-Rows"], whole["Content-Length"], whole["Accept-Ranges"]) == ("2", str(len(body)), "bytes")
    assert "tea-preference" not in whole["Content-Disposition"]

    def part(**headers: str) -> tuple[int, bytes]:
        answer = owner.send("GET", path, **headers)
        return answer.status_code, b"".join(answer.streaming_content) if answer.streaming else answer.content

    assert part(Range="bytes=0-9") == (206, body[:10])
    assert part(Range="bytes=10-") == (206, body[10:])
    assert part(Range="bytes=-7") == (206, body[-7:])
    assert part(Range=f"bytes={len(body)}-")[0] == 416
    assert part(Range="bytes=5-2")[0] == 416
    assert part(Range="bytes=0-1,3-4") == (200, body)
    assert part(Range="lines=0-1") == (200, body)
    assert part(Range="bytes=0-9", If_Range='"another"') == (200, body)
    assert part(Range="bytes=0-9", If_Range=whole["ETag"]) == (206, body[:10])
    assert part(If_None_Match=whole["ETag"]) == (304, b"")
    assert part(If_Match='"another"')[0] == 412
    take(people.project, row(annotator="z"))
    assert owner.send("GET", path)["ETag"] != whole["ETag"]
    assert AuditEntry.objects.filter(what="dataset exported").first() is not None


def test_who_may_and_what_is_refused(people: ThreePeople, settings: Settings, tmp_path: Path) -> None:
    settings.ATTUNE_HOME = tmp_path
    owner = Program(people.owner, people.project)
    refused(Program(people.stranger, people.project).send("GET", "/dataset"), 404)
    refused(Program(people.annotator, people.project).send("GET", "/dataset"), 403)
    refused(Program(people.owner, people.project, "score").send("GET", "/dataset"), 403)
    refused(owner.send("GET", "/dataset?form=dpo"), 422, "form")
    refused(owner.send("GET", "/dataset?annotator__user__password=x"), 400)
    assert Client().get(f"/api/v1/projects/{people.project.slug}/dataset").status_code == 401


def test_a_zip_holds_the_folder(people: ThreePeople, settings: Settings, tmp_path: Path) -> None:
    settings.ATTUNE_HOME = tmp_path
    take(people.project, row(annotator="x"))
    answer = Program(people.owner, people.project).send("GET", "/dataset?type=folder")
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        assert archive.namelist() == ["README.md", "croissant.json", "data/train.parquet"]
        assert archive.testzip() is None


def test_kept_files_go_with_the_project_and_with_time(settings: Settings, tmp_path: Path) -> None:
    settings.ATTUNE_HOME = tmp_path
    project, other = make_project(), make_project()
    kept = kept_dataset(project=project, options=DatasetOptions())
    stays = kept_dataset(project=other, options=DatasetOptions())
    assert kept_dataset(project=project, options=DatasetOptions()) == kept
    assert forget_old() == 0
    from annotator.exports.keeping import forget_project

    forget_project(project.pk)
    assert (kept.path.exists(), stays.path.exists()) == (False, True)
    assert forget_old(now=stays.path.stat().st_mtime + 8 * 86_400) == 1
    assert not stays.path.exists()
    delete_project(project=other, by=make_user(), typed=other.name)
