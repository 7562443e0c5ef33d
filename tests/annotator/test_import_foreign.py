"""Rows of other tools and datasets, as those write them, become judgments and prompts of ours."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotator.exports.dataset_options import DatasetOptions
from annotator.exports.datasets import write_dataset
from annotator.imports.errors import BadFile
from annotator.imports.reporting import ImportOptions
from annotator.imports.running import run_import
from annotator.models import Annotator, Judgment, Project, Prompt, Response
from tests.annotator.importing import row
from tests.factories import make_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project()


def lines(*rows: Any) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in rows)


def read(project: Project, content: bytes, **options: Any) -> Any:
    return run_import(io.BytesIO(content), project=project, options=ImportOptions(**options))


def judged(project: Project) -> list[tuple[str, str, str | None]]:
    """(annotator, the preferred text, the other); for ties the texts in alphabetical order."""
    found = []
    rows = Judgment.objects.filter(project=project).select_related("annotator", "pair__response_a", "pair__response_b")
    for each in rows.order_by("pk"):
        assert each.pair
        texts = [each.pair.response_a.text, each.pair.response_b.text]
        if each.choice == "b":
            texts.reverse()
        found.append((each.annotator.ref, *(texts if each.choice in ("a", "b") else [each.choice, None])))
    return found


# --- shapes ---------------------------------------------------------------------------------------------------------


def test_trl_explicit_with_messages_and_with_texts(project: Project) -> None:
    message = {
        "prompt": [{"role": "user", "content": "Q?"}],
        "chosen": [{"role": "assistant", "content": "Yes."}],
        "rejected": [{"role": "assistant", "content": "No."}],
    }
    plain = {"prompt": "R?", "chosen": "Aye.", "rejected": "Nay.", "score_chosen": 8.5}
    report = read(project, lines(message, plain), who="crowd")
    assert (report.format, report.shape, report.written) == ("jsonl: trl preference", "judgments", True)
    assert judged(project) == [("crowd", "Yes.", "No."), ("crowd", "Aye.", "Nay.")]
    assert Judgment.objects.latest("pk").about == {"extra": {"score_chosen": 8.5}}
    again = read(project, lines(message, plain), who="crowd")
    assert (again.duplicates, again.new["judgments"]) == (2, 0)


def test_the_preferred_one_is_on_either_side(project: Project) -> None:
    rows = [{"prompt": f"Q{n}?", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(60)]
    read(project, lines(*rows))
    left = [(each.choice == "a") != each.swapped for each in Judgment.objects.all()]
    assert 15 < sum(left) < 45


def test_hh_transcripts_and_implicit_messages(project: Project) -> None:
    start = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Bake?\n\nAssistant:"
    hh = {"chosen": f"{start} Sure.", "rejected": f"{start} Never."}
    conversation = [{"role": "user", "content": "Q?"}]
    implicit = {name: [*conversation, {"role": "assistant", "content": name}] for name in ("chosen", "rejected")}
    report = read(project, lines(hh, implicit))
    assert report.format == "jsonl: trl preference without a prompt"
    assert judged(project) == [("imported", "Sure.", "Never."), ("imported", "chosen", "rejected")]
    assert [turn["role"] for turn in Prompt.objects.earliest("pk").messages] == ["user", "assistant", "user"]


def test_ultrafeedback_with_ratings_that_are_texts(project: Project) -> None:
    completions = [
        {"model": "m1", "response": "One.", "annotations": {"helpfulness": {"Rating": "4", "Rationale": "ok"}}},
        {"model": "m2", "response": "Two.", "annotations": {"helpfulness": {"Rating": "N/A", "Rationale": ""}}},
        {"model": "m3", "response": "One.", "annotations": {}},
    ]
    report = read(
        project, lines({"source": "evol", "instruction": "Count.", "models": ["m1"], "completions": completions})
    )
    assert (report.format, report.shape, report.new["pairs"]) == ("jsonl: ultrafeedback", "prompts", 1)
    assert list(Response.objects.order_by("pk").values_list("text", "source", "about")) == [
        ("One.", "m1", {"extra": {"ratings": {"helpfulness": "4"}}}),
        ("Two.", "m2", {"extra": {"ratings": {"helpfulness": "N/A"}}}),
    ]


def test_chatbot_arena(project: Project) -> None:
    def battle(winner: str, *more: str) -> dict[str, Any]:
        turns = {
            side: [{"role": "user", "content": f"Q {winner}?"}, {"role": "assistant", "content": f"{side} {winner}"}]
            for side in "ab"
        }
        return {
            "question_id": "x1",
            "model_a": "m1",
            "model_b": "m2",
            "winner": winner,
            "judge": "arena_user_973",
            "conversation_a": turns["a"],
            "conversation_b": turns["b"],
            "turn": 1,
            "language": "English",
            "tstamp": 1682351591.1322,
        }

    report = read(project, lines(*(battle(each) for each in ("model_a", "model_b", "tie", "tie (bothbad)"))))
    assert (report.format, report.written) == ("jsonl: chatbot arena", True)
    assert judged(project) == [
        *(("arena_user_973", "a model_a", "b model_a"), ("arena_user_973", "b model_b", "a model_b")),
        *(("arena_user_973", "tie", None), ("arena_user_973", "both_bad", None)),
    ]
    first = Judgment.objects.earliest("pk")
    assert (first.judged_at.year, first.about["extra"]["language"]) == (2023, "English")
    wrong = read(make_project(), lines(battle("nobody")))
    assert [(problem.field, problem.reason) for problem in wrong.problems] == [("winner", "wrong_value")]


def test_prism_conversations(project: Project) -> None:
    def said(turn: int, role: str, content: str, **more: Any) -> dict[str, Any]:
        return {"turn": turn, "role": role, "content": content, **more}

    history = [
        said(0, "user", "Hello?"),
        said(0, "model", "Best.", model_name="m1", score=90, if_chosen=True),
        said(0, "model", "Worse.", model_name="m2", score=20, if_chosen=False),
        said(0, "model", "Worst.", model_name="m3", score=1, if_chosen=False),
        said(1, "user", "And?"),
        said(1, "model", "Fine.", model_name="m1", score=70, if_chosen=True),
        said(1, "model", "Bad.", model_name="m1", score=3, if_chosen=False),
    ]
    report = read(project, lines({"user_id": "user7", "conversation_id": "c1", "conversation_history": history}))
    assert (report.format, report.new["judgments"], report.new["prompts"]) == ("jsonl: prism", 3, 2)
    assert judged(project) == [("user7", "Best.", "Worse."), ("user7", "Best.", "Worst."), ("user7", "Fine.", "Bad.")]
    assert Judgment.objects.earliest("pk").about["extra"] == {"chosen": 90, "rejected": 20, "turn": 0}


def test_label_studio_as_an_array(project: Project) -> None:
    task = {
        "id": 1,
        "data": {"prompt": "Q?", "text1": "One.", "text2": "Two."},
        "annotations": [
            {
                "result": [
                    {"type": "pairwise", "from_name": "pw", "to_name": "text1,text2", "value": {"selected": "right"}}
                ],
                "completed_by": {"id": 3, "email": "x@example.org"},
                "created_at": "2026-08-01T10:00:00Z",
                "lead_time": 4.5,
            },
            {"result": [], "was_cancelled": True, "completed_by": 4},
        ],
    }
    content = json.dumps([task], indent=2).encode()
    report = read(project, content)
    assert (report.format, report.written) == ("json: label studio", True), report.problems
    assert judged(project) == [("x@example.org", "Two.", "One.")]
    assert Judgment.objects.get().seconds == 4.5


def test_argilla_records(project: Project) -> None:
    record = {
        "id": "7b",
        "fields": {"prompt": "Q?", "response-1": "One.", "response-2": "Two."},
        "metadata": {"topic": "tea"},
        "suggestions": {},
        "responses": {"preference": [{"value": "response-2", "user_id": "u1"}, {"value": "tie", "user_id": "u2"}]},
        "status": "completed",
    }
    report = read(project, lines(record))
    assert (report.format, report.written) == ("jsonl: argilla", True), report.problems
    assert judged(project) == [("u1", "Two.", "One."), ("u2", "tie", None)]


def test_openai_messages(project: Project) -> None:
    report = read(
        project,
        lines(
            {
                "messages": [
                    {"role": "system", "content": "S"},
                    {"role": "user", "content": "Q?"},
                    {"role": "assistant", "content": "A."},
                ]
            }
        ),
    )
    assert (report.format, report.shape, report.new["responses"]) == ("jsonl: openai messages", "prompts", 1)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"prompt": "Q?", "chosen": 7, "rejected": "No."}, "chosen"),
        ({"chosen": "just a text", "rejected": "another"}, "chosen"),
        ({"chosen": "\n\nHuman: A\n\nAssistant: x", "rejected": "\n\nHuman: B\n\nAssistant: y"}, "rejected"),
        ({"prompt": "Q?", "chosen": "Same.", "rejected": "Same."}, "response_b"),
        ({"messages": [{"role": "user", "content": "Q?"}]}, "messages"),
        ({"data": {"text1": "x"}, "annotations": []}, "data"),
        ({"fields": {"a": "b"}, "responses": {}}, "fields"),
        ({"conversation_history": [{"turn": 0, "role": "user", "content": "x"}]}, "conversation_history"),
    ],
)
def test_wrong_rows_are_named(project: Project, wrong: Any, field: str) -> None:
    report = read(project, lines(wrong))
    assert (report.written, [problem.field for problem in report.problems]) == (False, [field])
    assert not Annotator.objects.filter(project=project).exists()


# --- containers -----------------------------------------------------------------------------------------------------


def test_parquet_of_ours_and_of_others(project: Project, tmp_path: Path) -> None:
    table = pa.Table.from_pylist([{"prompt": f"Q{n}?", "chosen": "Yes.", "rejected": "No."} for n in range(2500)])
    pq.write_table(table, tmp_path / "trl.parquet")
    report = run_import(tmp_path / "trl.parquet", project=project, options=ImportOptions())
    assert (report.format, report.new["judgments"]) == ("parquet: trl preference", 2500)
    pq.write_table(pa.Table.from_pylist([row(annotator="x")]), tmp_path / "ours.parquet")
    assert run_import(tmp_path / "ours.parquet", project=project, options=ImportOptions()).format == "parquet"


def test_a_columns_other_name(project: Project) -> None:
    content = lines({"question": "Q?", "yes": "Yes.", "no": "No."})
    report = read(project, content, columns={"question": "prompt", "yes": "chosen", "no": "rejected"})
    assert (report.format, judged(project)) == ("jsonl: trl preference", [("imported", "Yes.", "No.")])
    csv = b"who,q,one,two,better\nann,Q2?,One.,Two.,b\n"
    names = {"who": "annotator", "q": "prompt", "one": "response_a", "two": "response_b", "better": "preference"}
    assert read(project, csv, columns=names).new["judgments"] == 1


@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_longer_than_a_piece(project: Project, indent: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotator.imports.containers._PIECE", 97)
    content = json.dumps([row(annotator=f"ä{n}") for n in range(40)], indent=indent, ensure_ascii=False).encode()
    report = read(project, b"\xef\xbb\xbf" + content)
    assert (report.format, report.rows, report.new["judgments"]) == ("json", 40, 40), report.problems


@pytest.mark.parametrize(
    "content",
    [
        b"[",
        b'[{"a": 1}',
        b'[{"a": 1} nonsense]',
        b'[{"a": 1}] and more',
        b'[{"a": NaN}]',
        b"[" * 100_000,
        b"\xff[",
        b"PAR1 is not enough",
    ],
)
def test_broken_containers_write_nothing(project: Project, content: bytes) -> None:
    with pytest.raises(BadFile):
        read(project, content)


# --- there and back -------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12).filter(
    str.strip
)
SAID = st.fixed_dictionaries(
    {
        "annotator": st.sampled_from(["ann", "ben"]),
        "prompt": st.sampled_from(["Q1?", "Q2?"]),
        "texts": st.lists(TEXTS, min_size=2, max_size=2, unique=True),
        "preference": st.sampled_from(["a", "b"]),
        "strength": st.sampled_from([None, 1, 2, 3]),
        "rationale": st.sampled_from(["", "Because."]),
    }
)


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ("preference", "jsonl"),
        ("implicit", "jsonl"),
        ("reward", "jsonl"),
        ("preference", "parquet"),
        ("label_studio", "json"),
        ("argilla", "json"),
    ],
)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(SAID, min_size=1, max_size=6))
def test_out_in_and_out_again_is_the_same(form: Any, kind: Any, said: list[dict[str, Any]]) -> None:
    """Forms that hold all they are made of, under the owner's references; of decided judgments."""
    source, target = make_project(), make_project()
    rows = [
        row(
            **{name: each[name] for name in ("annotator", "prompt", "preference", "strength", "rationale")},
            response_a=each["texts"][0], response_b=each["texts"][1], judged_at=f"2026-08-01T10:00:{n:02}+00:00",
        )
        for n, each in enumerate(said)
    ]  # fmt: skip
    for one in rows:  # a second judgment of the same pair is refused by itself
        read(source, lines(one))
    options = DatasetOptions(form=form, type=kind, names="references")
    first, second = io.BytesIO(), io.BytesIO()
    write_dataset(source, options, first)
    report = read(target, first.getvalue())
    assert report.written, report.problems
    write_dataset(target, options, second)
    assert _rows_of(second.getvalue(), kind) == _rows_of(first.getvalue(), kind)


def _rows_of(content: bytes, kind: str) -> Any:
    if kind == "parquet":
        return pq.read_table(io.BytesIO(content)).to_pylist()
    return json.loads(content) if kind == "json" else content
