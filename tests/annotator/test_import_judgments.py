"""Good rows: what they become, and what a second import makes of them."""

from __future__ import annotations

import io
import threading
from datetime import UTC, datetime
from uuid import UUID, uuid4, uuid5

import pytest
from django.db import connection

from annotator.errors import Conflict
from annotator.imports import judgments
from annotator.imports.reporting import ImportOptions
from annotator.imports.running import preview_import
from annotator.models import Annotator, Judgment, Pair, Project, Prompt, Rationale, Response
from attune.data import content_digest
from tests.annotator.importing import lines, row, said, take
from tests.factories import make_annotator, make_pair, make_project, make_prompt, make_response

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project(overlap=4)


def test_one_row_becomes_one_judgment_with_all_it_names(project: Project) -> None:
    full = row(
        response_a_id="r1",
        response_b_id="r2",
        model_a="small",
        model_b="large",
        topic="causes",
        strength=3,
        rationale="It answers.",
        tags=["clear"],
        part="context",
        slices=["random"],
        source="crowd",
        judged_at="2026-08-01T12:00:00+02:00",
        seconds=4.5,
        page_version="7",
    )
    report = take(project, full)
    assert report.written
    assert report.new == {"prompts": 1, "responses": 2, "pairs": 1, "annotators": 1, "judgments": 1}
    prompt, judgment, pair = Prompt.objects.get(), Judgment.objects.get(), Pair.objects.get()
    a, b = pair.response_a, pair.response_b
    assert prompt.messages == [{"role": "user", "content": "Why?"}]
    assert (prompt.text, prompt.topic, prompt.ref) == ("Why?", "causes", prompt.digest[:16])
    assert (a.ref, a.text, a.source, b.ref, b.source) == ("r1", "Because.", "small", "r2", "large")
    assert a.digest == content_digest("Why?", "Because.")
    assert (pair.cap, pair.taken, pair.project_id, pair.prompt_id) == (4, 0, project.pk, prompt.pk)
    assert (judgment.choice, judgment.strength, judgment.swapped, judgment.seconds) == ("a", 3, False, 4.5)
    assert (judgment.source, judgment.page_version, judgment.assignment_id) == ("import", "7", None)
    assert judgment.judged_at == datetime(2026, 8, 1, 10, tzinfo=UTC)
    assert judgment.about == {"part": "context", "slices": ["random"], "source": "crowd"}
    assert judgment.rationale.text == "It answers."
    assert judgment.rationale.tags == [{"tag": "clear", "side": "a", "good": True}]
    assert not judgment.annotator.simulated
    assert not Project.objects.get(pk=project.pk).simulated


def test_the_same_file_again_adds_nothing_and_says_so(project: Project) -> None:
    rows = [row(annotator=f"ann {n}", rationale="So." if n else None) for n in range(3)]
    take(project, *rows)
    report = take(project, *rows)
    assert report.written
    assert (report.duplicates, sum(report.new.values()), report.bad_rows) == (3, 0, 0)
    assert report.summary() == "Nothing new in 3 rows. 3 were there already."
    assert Judgment.objects.count() == 3


def test_pairs_have_the_older_response_first_and_choices_follow(project: Project) -> None:
    """The file's a may be the pair's b: choice and sides of tags are the pair's, ``swapped`` says what was on the left."""
    take(project, row(response_a_id="old", response_b_id="new"))
    turned = row(
        annotator="other",
        response_a="Who knows?",
        response_a_id="new",
        response_b="Because.",
        response_b_id="old",
        strength=2,
        tags=[{"tag": "warm", "side": "b", "good": False}],
    )
    report = take(project, turned, {**turned, "annotator": "third", "swapped": True})
    assert report.new["pairs"] == 0
    other, third = Judgment.objects.filter(annotator__ref__in=["other", "third"]).order_by("annotator__ref")
    assert (other.choice, other.strength, other.swapped) == ("b", 2, True)
    assert (third.choice, third.swapped) == ("b", False)
    assert other.rationale.tags == [{"tag": "warm", "side": "a", "good": False}]
    assert said([other]) == [("other", "Who knows?", "Why?")]


@pytest.mark.parametrize("preference", ["tie", "both_bad", "skip"])
def test_choices_without_a_side_stay_as_they_are(project: Project, preference: str) -> None:
    take(project, row(response_a_id="1", response_b_id="2"))
    take(
        project,
        row(
            annotator="x",
            response_a="Who knows?",
            response_a_id="2",
            response_b="Because.",
            response_b_id="1",
            preference=preference,
        ),
    )
    judgment = Judgment.objects.get(annotator__ref="x")
    assert (judgment.choice, judgment.swapped, judgment.strength) == (preference, True, None)


def test_equal_texts_with_ids_of_their_own_are_two_responses(project: Project) -> None:
    report = take(project, row(response_b="Because.", response_a_id="1", response_b_id="2"))
    assert report.new["responses"] == 2
    assert len(set(Response.objects.values_list("digest", flat=True))) == 1


def test_texts_without_ids_are_found_by_what_they_say(project: Project) -> None:
    prompt = make_prompt(project, "Why?", ref="why")
    first = make_response(prompt, "Because.", ref="because")
    make_response(prompt, "Because.", ref="because again")
    report = take(project, row())
    assert (report.new["prompts"], report.new["responses"]) == (0, 1)
    assert Pair.objects.get().response_a_id == first.pk


def test_a_text_with_and_without_its_id_in_one_file_is_one_response(project: Project) -> None:
    report = take(project, row(), row(annotator="x", response_a_id="because"), row(annotator="y"))
    assert report.new["responses"] == 2
    assert report.new["pairs"] == 1


def test_the_same_id_under_another_prompt_is_another_response(project: Project) -> None:
    report = take(project, row(response_a_id="1"), row(prompt="How?", response_a="So.", response_a_id="1"))
    assert report.written
    assert Response.objects.filter(ref="1").count() == 2


def test_conversations_are_kept_as_messages(project: Project) -> None:
    messages = [
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": "Because."},
        {"role": "user", "content": "Really?"},
    ]
    take(project, row(prompt=messages))
    prompt = Prompt.objects.get()
    assert prompt.messages == messages
    assert prompt.text == "user: Why?\n\nassistant: Because.\n\nuser: Really?"


def test_a_bare_tag_goes_to_the_preferred_side_or_to_both(project: Project) -> None:
    take(
        project,
        row(preference="b", tags=["clear"]),
        row(annotator="x", preference="tie", tags=["clear"]),
        row(annotator="y", preference="both_bad", tags=["clear"]),
    )
    tags = dict(Rationale.objects.values_list("judgment__annotator__ref", "tags"))
    assert tags["ann"] == [{"tag": "clear", "side": "b", "good": True}]
    assert tags["x"] == [{"tag": "clear", "side": side, "good": True} for side in "ab"]
    assert tags["y"] == [{"tag": "clear", "side": side, "good": False} for side in "ab"]


def test_simulated_annotators_are_labelled_everywhere(project: Project) -> None:
    take(project, row(annotator="robot", simulated=True), row(annotator="robot", prompt="How?"), row())
    assert Annotator.objects.get(ref="robot").simulated
    assert set(Judgment.objects.filter(annotator__ref="robot").values_list("source", flat=True)) == {"simulation"}
    assert Judgment.objects.get(annotator__ref="ann").source == "import"
    assert Project.objects.get(pk=project.pk).simulated


def test_topics_and_sources_that_differ_from_the_stored_ones_are_not_lost(project: Project) -> None:
    take(project, row(topic="one", model_a="small"), row(annotator="x", topic="two", model_a="large"))
    assert Prompt.objects.get().topic == "one"
    assert Judgment.objects.get(annotator__ref="x").about == {"topic": "two", "source_a": "large"}


def test_extra_fields_are_kept_if_asked(project: Project) -> None:
    report = take(project, row(mood="fine", scores=[1, {"x": None}]), keep_extra=True)
    assert report.written
    assert Judgment.objects.get().about == {"extra": {"mood": "fine", "scores": [1, {"x": None}]}}


def test_hidden_repeats_and_revisions_have_a_place_of_their_own(project: Project) -> None:
    report = take(
        project,
        row(),
        row(occasion=1, preference="b"),
        row(revision=2, preference="tie"),
        row(revision=3, preference="b", withdrawn=True),
    )
    assert report.new["judgments"] == 4
    found = Judgment.objects.order_by("occasion", "revision").values_list(
        "occasion", "revision", "choice", "current", "withdrawn"
    )
    assert list(found) == [
        (0, 1, "a", False, False),
        (0, 2, "tie", False, False),
        (0, 3, "b", True, True),
        (1, 1, "b", True, False),
    ]


def test_a_later_revision_takes_over_from_a_stored_one_and_an_earlier_one_does_not(project: Project) -> None:
    take(project, row(revision=2))
    take(project, row(revision=3, preference="b"))
    take(project, row(revision=1, preference="tie"))
    assert list(Judgment.objects.order_by("revision").values_list("revision", "current")) == [
        (1, False),
        (2, False),
        (3, True),
    ]


def test_a_judgment_made_on_the_page_is_a_duplicate_not_a_second_one(project: Project) -> None:
    pair = make_pair(project, prompt=make_prompt(project, "Why?"), a="Because.", b="Who knows?")
    annotator = make_annotator(project, ref="ann")
    Judgment.objects.create(
        project=project, annotator=annotator, pair=pair, choice="a", client_key="9a5bd1c6-5f7c-4a53-9f6c-3a0a3f5d6a11"
    )
    report = take(project, row())
    assert (report.duplicates, report.new["judgments"]) == (1, 0)


def test_a_client_key_belongs_to_one_project(project: Project) -> None:
    """Keys are unique in the whole database, so one that a file gives may not stop another project's import."""
    keyed = row(client_key="6d0d1de1-7d2c-4b3a-9a58-0f33bb0d2e10")
    other = make_project()
    assert take(project, keyed).new["judgments"] == 1
    assert take(other, keyed).new["judgments"] == 1
    assert take(project, keyed).duplicates == 1
    assert Judgment.objects.get(project=other).about["client_key"] == keyed["client_key"]


def test_projects_do_not_share_texts_or_annotators(project: Project) -> None:
    take(make_project(), row())
    assert take(project, row()).new == {"prompts": 1, "responses": 2, "pairs": 1, "annotators": 1, "judgments": 1}


def test_a_dry_run_tells_exactly_what_the_import_then_does_and_writes_nothing(project: Project) -> None:
    take(project, row())
    rows = [row(), row(annotator="x"), row(prompt="How?"), row(annotator="x", preference="b")]
    before = counts()
    told = take(project, *rows, dry_run=True)
    assert counts() == before
    assert not told.written
    assert told.rejected == {"second_judgment": 1}
    assert (
        told.summary()
        == "Would add 1 prompt, 2 responses, 1 pair, 1 annotator, 2 judgments. 1 was there already. 1 row is rejected."
    )
    done = take(project, *rows[:3])
    assert (told.new, told.duplicates) == (done.new, done.duplicates)


def test_more_rows_than_a_batch(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotator.imports.running.BATCH_ROWS", 7)
    rows = [row(annotator=f"ann {n % 5}", prompt=f"Why {n // 5}?") for n in range(100)]
    report = take(project, *rows)
    assert report.new == {"prompts": 20, "responses": 40, "pairs": 20, "annotators": 5, "judgments": 100}
    assert take(project, *rows).duplicates == 100
    assert take(project, *rows, row(annotator="ann 0", prompt="Why 0?", preference="b")).rejected == {
        "second_judgment": 1
    }


def test_caches_that_overflow_change_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for where in ("texts", "people"):
        monkeypatch.setattr(f"annotator.imports.{where}.MAX_KNOWN", 2)
    monkeypatch.setattr("annotator.imports.running.BATCH_ROWS", 3)
    rows = [row(annotator=f"ann {n % 5}", prompt=f"Why {n // 5}?") for n in range(40)]
    assert take(project, *rows).new == {"prompts": 8, "responses": 16, "pairs": 8, "annotators": 5, "judgments": 40}


def test_a_preview_shows_the_first_rows_as_understood(project: Project) -> None:
    file = io.BytesIO(lines(*(row(annotator=f"ann {n}", strength=2) for n in range(8)), row(preference="c")))
    preview = preview_import(file, project=project)
    assert [each["annotator"] for each in preview.first_rows] == [f"ann {n}" for n in range(5)]
    assert preview.first_rows[0]["strength"] == 2
    assert (preview.report.shape, preview.report.format, preview.report.rows, preview.report.bad_rows) == (
        "judgments",
        "jsonl",
        9,
        1,
    )
    assert not Judgment.objects.exists()


def test_a_preview_may_stop_early_and_says_so(project: Project) -> None:
    file = io.BytesIO(lines(*(row(annotator=f"ann {n}") for n in range(8))))
    preview = preview_import(file, project=project, options=ImportOptions(max_rows=3))
    assert (preview.report.rows, preview.report.complete) == (3, False)


def counts() -> list[int]:
    return [model.objects.count() for model in (Prompt, Response, Pair, Annotator, Judgment, Rationale)]


@pytest.mark.django_db(transaction=True)
def test_a_judgment_that_somebody_writes_at_the_same_moment_stops_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between our look at what is stored and our insert: the database holds the second writer off, nothing is doubled."""
    project = make_project()
    pair = make_pair(project, prompt=make_prompt(project, "Why?"), a="Because.", b="Who knows?")
    annotator = make_annotator(project, ref="ann")
    looked = judgments._settle_with_stored

    def write_meanwhile() -> None:
        Judgment.objects.create(project=project, annotator=annotator, pair=pair, choice="b", client_key=uuid4())
        connection.close()

    def look_then_wait(settled: judgments._Settled) -> None:
        looked(settled)
        other = threading.Thread(target=write_meanwhile)
        other.start()
        other.join()

    monkeypatch.setattr(judgments, "_settle_with_stored", look_then_wait)
    with pytest.raises(Conflict, match="at the same moment"):
        take(project, row(), row(annotator="x"))
    assert list(Judgment.objects.values_list("choice", flat=True)) == ["b"]
    assert not Annotator.objects.filter(ref="x").exists()


@pytest.mark.parametrize("name", ["", "x", "1 6d0d1de1-7d2c-4b3a-9a58-0f33bb0d2e10", "çé"])
def test_client_keys_are_uuids_of_version_5(name: str) -> None:
    assert UUID(judgments._uuid5(name)) == uuid5(judgments.KEYS, name)
