"""Everything that an owner's page can do with projects, prompts, responses and pairs, through the API."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from pytest_django import Settings

from annotator.imports.batches import run_batch
from annotator.models import Annotator, AuditEntry, Judgment, Membership, Pair, Project, Prompt, Role
from annotator.models import Response as ResponseRow
from tests.annotator.api import Program, refused
from tests.factories import ThreePeople

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_chooser(settings: Settings) -> None:
    settings.ATTUNE_CHOOSER = ""


@pytest.fixture
def owner(people: ThreePeople) -> Program:
    return Program(people.owner, people.project)


@pytest.fixture
def annotator(people: ThreePeople) -> Program:
    return Program(people.annotator, people.project)


@pytest.fixture
def stranger(people: ThreePeople) -> Program:
    return Program(people.stranger, people.project)


# --- projects -------------------------------------------------------------------------------------------------------


def test_a_project_from_nothing_to_a_judgment(people: ThreePeople, owner: Program) -> None:
    made = owner.ok("POST", "projects", {"name": "Tea", "template": "everyday"}, status=201)
    assert (made["slug"], made["role"], made["counts"]["pairs"]) == ("tea", "owner", 0)
    assert Membership.objects.get(project__slug="tea").user == people.owner
    tea = Program(people.owner, Project.objects.get(slug="tea"))
    prompt = tea.ok(
        "POST",
        "/prompts",
        {
            "prompt": "Why is tea bitter?",
            "ref": "p/1",
            "topic": "tea",
            "responses": [{"text": "Heat."}, {"text": "Time.", "ref": "r2", "source": "m"}],
        },
        status=201,
    )
    assert (prompt["ref"], prompt["pairs"], [each["source"] for each in prompt["responses"]]) == ("p/1", 1, ["", "m"])
    more = tea.ok(
        "POST", "/prompts/p/1/responses", {"responses": [{"text": "Leaves.", "ref": "r3"}], "pairs": 0}, status=201
    )
    assert (len(more["responses"]), more["pairs"]) == (3, 1)
    pair = tea.ok("POST", "/pairs", {"prompt": "p/1", "response_a": "r3", "response_b": "r2", "gold": "a"}, status=201)
    assert (pair["response_a"], pair["response_b"], pair["gold"]) == ("r2", "r3", "b")  # in the pair's own terms
    lent = tea.ok("GET", "/next")
    judged = tea.ok("POST", "/judgments", {"assignment": lent["assignment"], "choice": "b", "strength": 1}, status=201)
    revised = tea.ok(
        "POST", f"/judgments/{judged['id']}/revise", {"choice": "a", "strength": 3, "rationale": "Rather."}, status=201
    )
    assert (revised["choice"], revised["revision"]) == ("a", 2)
    detail = tea.ok("GET", f"/judgments/{judged['id']}")
    assert detail["current"]["rationale"] == "Rather."
    assert [row["revision"] for row in detail["revisions"]] == [1, 2]
    assert tea.ok("POST", f"/judgments/{judged['id']}/withdraw")["withdrawn"] is True
    assert {entry.what for entry in AuditEntry.objects.filter(project__slug="tea")} >= {
        "project made",
        "known answer written",
    }
    assert tea.ok("GET", "/audit")["results"][0]["what"] == "project made"


def test_set_up_is_changed_by_who_has_seen_it(people: ThreePeople, owner: Program, annotator: Program) -> None:
    etag = owner.send("GET", "")["ETag"]
    changed = owner.send("PATCH", "", {"overlap": 7, "instructions": "Read."}, If_Match=etag)
    assert (changed.status_code, changed.json()["overlap"]) == (200, 7)
    refused(owner.send("PATCH", "", {"overlap": 8}, If_Match=etag), 412)
    assert owner.send("PATCH", "", {"overlap": 8}, If_Match=changed["ETag"]).status_code == 200
    assert owner.send("PATCH", "", {"overlap": 9}, If_Match="*").status_code == 200
    refused(owner.send("PATCH", "", {"overlap": 8}), 428)
    refused(owner.send("PATCH", "", {"overlap": 0}, If_Match="*"), 422, "overlap")
    refused(owner.send("PATCH", "", {"slug": "x"}, If_Match="*"), 422, "slug")
    refused(annotator.send("PATCH", "", {"overlap": 8}, If_Match="*"), 403)
    people.project.refresh_from_db()
    assert (people.project.overlap, people.project.instructions) == (9, "Read.")
    assert owner.ok("POST", "/archive")["archived"] is True
    assert owner.ok("POST", "/restore")["archived"] is False


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x", "slug": "A b"}, "slug"),
        ({"name": "x", "template": "?"}, "template"),
        ({}, "name"),
    ],
)
def test_projects_that_can_not_be_made(owner: Program, body: Any, field: str) -> None:
    refused(owner.send("POST", "projects", body), 422, field)


def test_a_taken_address_and_a_limited_token(people: ThreePeople, owner: Program) -> None:
    refused(owner.send("POST", "projects", {"name": "x", "slug": people.project.slug}), 409)
    limited = Program(people.owner, people.project, project=people.project)
    refused(limited.send("POST", "projects", {"name": "x"}), 403)
    refused(Program(people.owner, people.project, "write").send("POST", "projects", {"name": "x"}), 403)


# --- prompts and pairs ----------------------------------------------------------------------------------------------


def test_the_same_key_adds_once(owner: Program) -> None:
    body = {"prompt": "Once?", "responses": [{"text": "Yes."}]}
    first = owner.ok("POST", "/prompts", body, key="k", status=201)
    again = owner.send("POST", "/prompts", body, key="k")
    assert (again.json(), again["Idempotent-Replayed"]) == (first, "true")
    assert Prompt.objects.filter(text="Once?").count() == 1
    refused(owner.send("POST", "/prompts", body), 409)
    refused(owner.send("POST", "/prompts", {"prompt": "Other?"}, key="k"), 422)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": 7}, "prompt"),
        ({"prompt": [{"role": "assistant", "content": "Hi"}]}, "prompt"),
        ({"prompt": [{"role": "user"}]}, "prompt"),
        ({"prompt": "x\x00"}, "prompt"),
        ({"prompt": "x", "responses": [{"text": ""}]}, "responses.0.text"),
        ({"prompt": "x", "responses": [{"text": "a", "color": 1}]}, "responses.0.color"),
        ({"prompt": "x", "about": {"a": "\x00"}}, "about"),
        ({"prompt": "x", "pairs": -1}, "pairs"),
        ({"prompt": "x", "pairs": "1"}, "pairs"),
    ],
)
def test_wrong_prompts(owner: Program, body: Any, field: str) -> None:
    before = Prompt.objects.count()
    refused(owner.send("POST", "/prompts", body), 422, field)
    assert Prompt.objects.count() == before


def test_lists_have_filters_from_an_allow_list(people: ThreePeople, owner: Program) -> None:
    Prompt.objects.filter(pk=Prompt.objects.earliest("pk").pk).update(topic="eggs")
    assert [row["topic"] for row in owner.ok("GET", "/prompts?topic=eggs")["results"]] == ["eggs"]
    assert len(owner.ok("GET", "/pairs")["results"]) == 5
    pair = Pair.objects.earliest("pk")
    assert owner.ok("POST", f"/pairs/{pair.pk}/withdraw")["withdrawn"] is True
    assert [row["id"] for row in owner.ok("GET", "/pairs?withdrawn=true")["results"]] == [pair.pk]
    assert owner.ok("POST", f"/pairs/{pair.pk}/restore")["withdrawn"] is False
    for path in (
        "/prompts?project__owner__password=x",
        "/pairs?id=1",
        "/judgments?annotator__user__password=x",
        "projects?slug=x",
    ):
        refused(owner.send("GET", path), 400)
    refused(owner.send("GET", "/pairs?withdrawn=maybe"), 422, "withdrawn")


def test_pairs_that_can_not_be(people: ThreePeople, owner: Program) -> None:
    pair = Pair.objects.select_related("prompt", "response_a", "response_b").earliest("pk")
    a, b = pair.response_a.ref, pair.response_b.ref
    refused(owner.send("POST", "/pairs", {"prompt": pair.prompt.ref, "response_a": a, "response_b": b}), 409)
    refused(owner.send("POST", "/pairs", {"prompt": "none", "response_a": a, "response_b": b}), 422, "prompt")
    refused(
        owner.send("POST", "/pairs", {"prompt": pair.prompt.ref, "response_a": a, "response_b": "none"}),
        422,
        "response_b",
    )
    refused(
        owner.send("POST", "/pairs", {"prompt": pair.prompt.ref, "response_a": a, "response_b": a}), 422, "response_b"
    )


# --- many at once ---------------------------------------------------------------------------------------------------

ROW = {"annotator": "x", "prompt": "Bulk?", "response_a": "Yes.", "response_b": "No.", "preference": "a"}


def test_bulk_judgments_and_prompts_are_all_or_nothing_and_the_same_again_is_nothing(owner: Program) -> None:
    rows = [ROW, ROW | {"annotator": "y", "preference": "b", "strength": 2}]
    dry = owner.ok("POST", "/bulk", {"rows": rows, "dry_run": True})
    assert (dry["written"], dry["new"]["judgments"], Judgment.objects.count()) == (False, 2, 0)
    done = owner.ok("POST", "/bulk", {"rows": rows})
    assert (done["shape"], done["written"], done["new"]["judgments"]) == ("judgments", True, 2)
    again = owner.ok("POST", "/bulk", {"rows": rows})
    assert (again["new"]["judgments"], again["duplicates"]) == (0, 2)
    wrong = refused(
        owner.send("POST", "/bulk", {"rows": [*rows, ROW | {"preference": "c", "annotator": "z"}]}),
        422,
        "rows.2.preference",
    )
    assert "expected a or b" in wrong["fields"]["rows.2.preference"]
    prompts = [{"id": f"b{n}", "prompt": f"Bulk {n}?", "responses": ["One.", "Two.", "Three."]} for n in range(3)]
    assert owner.ok("POST", "/bulk", {"rows": prompts, "pairs": 1})["new"]["pairs"] == 3
    refused(owner.send("POST", "/bulk", {"rows": []}), 422, "rows")
    refused(owner.send("POST", "/bulk", {"rows": ["x"]}), 422, "rows.0")


def test_many_answers_each_by_itself(people: ThreePeople, owner: Program) -> None:
    lent = [owner.ok("GET", f"/next?annotator=who-{n}")["assignment"] for n in range(3)]
    rows = [{"assignment": key, "choice": "a"} for key in lent]
    rows[1]["strength"] = 2
    rows[1]["choice"] = "tie"  # a tie has no strength
    done = owner.ok("POST", "/judgments/bulk", {"judgments": rows}, key="many")["results"]
    assert [row["status"] for row in done] == [201, 422, 201]
    assert done[1]["problem"]["code"] == "invalid"
    assert Judgment.objects.count() == 2
    assert owner.ok("POST", "/judgments/bulk", {"judgments": rows}, key="many")["results"] == done
    assert Judgment.objects.count() == 2


def test_a_file_is_looked_at_confirmed_and_read(people: ThreePeople, owner: Program) -> None:
    lines = b"".join(json.dumps(ROW | {"annotator": f"a{n}"}).encode() + b"\n" for n in range(20))
    found = owner.ok("POST", "/imports?name=tea.jsonl.gz", gzip.compress(lines), status=201)
    assert (found["name"], found["confirmed"], found["report"]["new"]["judgments"]) == ("tea.jsonl.gz", False, 20)
    assert Judgment.objects.count() == 0
    assert owner.ok("POST", f"/imports/{found['id']}/confirm")["confirmed"] is True
    run_batch(batch_id=found["id"])
    done = owner.ok("GET", f"/imports/{found['id']}")
    assert (done["state"], done["report"]["written"], Judgment.objects.count()) == ("done", True, 20)
    assert [row["id"] for row in owner.ok("GET", "/imports")["results"]] == [found["id"]]
    refused(owner.send("POST", f"/imports/{found['id']}/confirm"), 409)
    at_once = owner.ok("POST", "/imports?confirm=true", lines + b'{"annotator": 1}\n', status=201)
    assert (at_once["confirmed"], at_once["report"]["rejected"]) == (False, 1)
    assert owner.ok("POST", f"/imports/{at_once['id']}/cancel")["state"] == "cancelled"


def test_files_that_are_none(owner: Program, settings: Settings) -> None:
    refused(owner.send("POST", "/imports", b""), 422)
    refused(owner.send("POST", "/imports", b"\x00\x01nothing"), 422)
    refused(owner.send("POST", "/imports?confirm=perhaps", b"{}"), 422, "confirm")
    settings.IMPORT_MAX_BYTES = 10
    refused(owner.send("POST", "/imports", b"x" * 11), 413)


# --- who may --------------------------------------------------------------------------------------------------------

ROUTES: list[tuple[str, str, Any, str]] = [
    ("GET", "/prompts", None, "read"),
    ("POST", "/prompts", {"prompt": "x"}, "write"),
    ("GET", "/prompts/none", None, "read"),
    ("POST", "/prompts/none/responses", {"responses": [{"text": "x"}]}, "write"),
    ("GET", "/pairs", None, "read"),
    ("POST", "/pairs", {"prompt": "x", "response_a": "a", "response_b": "b"}, "write"),
    ("POST", "/pairs/1/withdraw", None, "write"),
    ("POST", "/bulk", {"rows": [ROW]}, "write"),
    ("GET", "/imports", None, "read"),
    ("POST", "/imports", ROW, "write"),
    ("GET", "/imports/1", None, "read"),
    ("POST", "/imports/1/cancel", None, "write"),
    ("PATCH", "", {"overlap": 3}, "manage"),
    ("POST", "/archive", None, "manage"),
    ("GET", "/audit", None, "manage"),
    ("GET", "/webhooks", None, "manage"),
    ("POST", "/webhooks", {"url": "https://example.org/x", "events": ["run.finished"]}, "manage"),
    ("GET", "/runs", None, "read"),
    ("POST", "/runs", {}, "manage"),
    ("GET", "/models", None, "read"),
    ("POST", "/models/1/promote", {}, "manage"),
]


@pytest.mark.parametrize(("method", "path", "body", "scope"), ROUTES)
def test_the_three_people_and_the_scope(
    people: ThreePeople, annotator: Program, stranger: Program, method: str, path: str, body: Any, scope: str
) -> None:
    refused(stranger.send(method, path, body, If_Match="*"), 404)
    refused(annotator.send(method, path, body, If_Match="*"), 403)
    others = {"score", "read", "write", "manage"} - {scope}
    refused(Program(people.owner, people.project, *sorted(others)).send(method, path, body, If_Match="*"), 403)
    mine = Program(people.owner, people.project, scope).send(method, path, body, If_Match="*")
    assert mine.status_code not in (401, 403, 500), mine.content


def test_annotators_can_be_told_apart_and_paused(people: ThreePeople, owner: Program, annotator: Program) -> None:
    ref = people.judge.ref
    owner.ok("PATCH", f"/annotators/{ref}", {"about": {"country": "fr"}, "paused": True, "in_training": False})
    judge = Annotator.objects.get(pk=people.judge.pk)
    assert (judge.about, judge.paused_at is None, judge.in_training) == ({"country": "fr"}, False, False)
    refused(annotator.send("PATCH", f"/annotators/{ref}", {"paused": False}), 403)
    refused(owner.send("PATCH", "/annotators/nobody", {}), 404)
    refused(owner.send("PATCH", f"/annotators/{ref}", {"user": 1}), 422, "user")
    assert "fr" not in json.dumps(list(AuditEntry.objects.values_list("about", flat=True)))


def test_responses_keep_what_is_known_of_them(owner: Program) -> None:
    owner.ok(
        "POST", "/prompts", {"prompt": "q", "ref": "q", "responses": [{"text": "t", "about": {"k": [1]}}]}, status=201
    )
    assert ResponseRow.objects.get(prompt__ref="q").about == {"k": [1]}
    assert Membership.objects.filter(role=Role.OWNER).count() == 2
