"""Nothing that an annotator is sent tells a check from any other pair: not the page, not the API, not what follows."""

from __future__ import annotations

import io
import json
import re
import zipfile
from difflib import unified_diff
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from annotator.models import Annotator, Assignment, Pair, Project, User
from annotator.services.answers import Answer
from annotator.services.dealing import REPEAT_AFTER, deal
from annotator.services.gold import set_gold
from annotator.services.judging import record
from annotator.services.pinning import pin_pair
from annotator.services.tokens import issue_token
from tests.factories import login, make_annotator, make_pair, make_project, make_user

pytestmark = pytest.mark.django_db

KINDS = ["repeat", "gold", "qualification", "pinned"]
_OWN = [
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(\.[0-9a-f]+)?", "KEY"),
    (r'csrfmiddlewaretoken" value="\w+"', "TOKEN"),
    (r'"X-CSRFToken": "\w+"', "TOKEN"),
    (r"How do I boil \d+ eggs\?", "PROMPT"),
    (r"Answer \d+: boil them for ten minutes\.", "RESPONSE"),
    (r"prompt-\d+", "REF"),
    (r"ref-\d+", "WHO"),
    (r"project-\d+|Project \d+", "PROJECT"),
    (r"user\d+@example\.org|>[A-Z]{1,2}<", "USER"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r'"id": \d+', "ID"),
    (r'data-map="[\d. ]+"', "MAP"),  # places in the text, which is as long as its number
    (r'data-owner="\d+"', "OWNER"),
    (r'data-map="[\d. ]+"', "MAP"),  # of the text and nothing else
]


@pytest.fixture(autouse=True)
def _no_chooser(settings: Settings) -> None:
    settings.ATTUNE_CHOOSER = ""


def plain(text: str) -> str:
    """A page without what is its own on every visit: keys, texts, names, times."""
    for pattern, word in _OWN:
        text = re.sub(pattern, word, text)
    return text


def prepared(kind: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Project, Annotator, User]:
    """Somebody who has judged a while and gets a pair of this kind next."""
    project = make_project(pairs=REPEAT_AFTER + 4, repeat_rate=0.2, gold_rate=0.2, show_guess=True)
    user = make_user()
    annotator = make_annotator(project, user, qualified=True)
    monkeypatch.setattr("annotator.services.dealing.random.random", lambda: 0.99)
    for _ in range(REPEAT_AFTER + 2):
        dealt = deal(annotator=annotator)
        assert dealt
        record(
            annotator=annotator, assignment_key=dealt.key, client_key=uuid4(), answer=Answer(choice="left", strength=2)
        )
    if kind == "gold":
        set_gold(pair=make_pair(project), choice="a", by=None)
    elif kind == "qualification":
        set_gold(pair=make_pair(project), choice="a", qualifying=True, by=None)
        Project.objects.filter(pk=project.pk).update(qualify_share=0.5)
        Annotator.objects.filter(pk=annotator.pk).update(qualified=None)
    elif kind == "pinned":
        pin_pair(pair=Pair.objects.latest("pk"), annotators=[annotator], by=make_user())
    value = {"repeat": 0.1, "gold": 0.3}.get(kind, 0.99)
    monkeypatch.setattr("annotator.services.dealing.random.random", lambda: value)
    return project, annotator, user


def dealt_as(annotator: Annotator) -> str:
    return Assignment.objects.filter(annotator=annotator, state="open").get().chosen_by


def pages_of(kind: str, monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What the annotator's browser gets: the pair, and the reply to a judgment of it."""
    project, annotator, user = prepared(kind, monkeypatch)
    client, where = login(user), reverse("judge", args=[project.slug])
    shown = client.get(where)
    assert dealt_as(annotator) == (kind if kind != "ordinary" else "coverage")
    key = str(Assignment.objects.get(annotator=annotator, state="open").key)
    monkeypatch.setattr("annotator.services.dealing.random.random", lambda: 0.99)
    answer = {"assignment": key, "client_key": str(uuid4()), "position": "3", "page_version": "1", "seconds": "9"}
    replied = client.post(where, answer, headers={"HX-Request": "true"})
    return [(each.status_code, sorted(each.headers), plain(each.content.decode())) for each in (shown, replied)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_with_a_check_is_like_any_other(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ordinary, check = pages_of("ordinary", monkeypatch), pages_of(kind, monkeypatch)
    assert ordinary[0][0] == ordinary[1][0] == 200
    assert "PROMPT" in str(ordinary[0][2])
    for one, other in zip(ordinary, check, strict=True):
        pages = (str(one[2]).splitlines(), str(other[2]).splitlines())
        different = "\n".join(unified_diff(*pages, n=0, lineterm=""))
        assert not different, different
        assert other == one


def answers_of(kind: str, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What a program gets that judges for the annotator."""
    project, annotator, user = prepared(kind, monkeypatch)
    _, token = issue_token(user=user, name="t", scopes=["write", "read"], project=project)
    client = Client(headers={"Authorization": f"Bearer {token}"})
    where = f"/api/v1/projects/{project.slug}"
    shown = client.get(f"{where}/next")
    assert dealt_as(annotator) == (kind if kind != "ordinary" else "coverage")
    body = {"assignment": shown.json()["assignment"], "choice": "b", "strength": 1}
    stored = client.post(
        f"{where}/judgments",
        json.dumps(body),
        content_type="application/json",
        headers={"Idempotency-Key": str(uuid4())},
    )
    return [
        (each.status_code, sorted(each.headers), plain(json.dumps(each.json(), sort_keys=True)))
        for each in (shown, stored)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_over_the_api_a_check_is_like_any_other_pair(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ordinary, check = answers_of("ordinary", monkeypatch), answers_of(kind, monkeypatch)
    assert [each[0] for each in ordinary] == [200, 201]  # type: ignore[index]
    assert check == ordinary


def test_neither_profile_nor_personal_data_say_which_looks_were_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    project, annotator, user = prepared("repeat", monkeypatch)
    dealt = deal(annotator=annotator)
    assert dealt and dealt.occasion == 1
    record(annotator=annotator, assignment_key=dealt.key, client_key=uuid4(), answer=Answer(choice="left", strength=1))
    client = login(user)
    told = client.get(reverse("me", args=[project.slug])).content.decode()
    packed = zipfile.ZipFile(io.BytesIO(b"".join(client.get(reverse("my_data", args=[project.slug])))))  # type: ignore[arg-type]
    kept = {name: packed.read(name).decode().lower() for name in packed.namelist() if name.endswith(".json")}
    for word in ("occasion", "second look", "repeat", "gold", "chosen_by", "qualif"):
        assert word not in told.lower(), word
        # whether somebody has qualified is theirs to know; which pairs it hung on is not
        assert not [name for name, said in kept.items() if word in said and name != "tables/annotator.json"], word


def test_annotators_can_not_list_what_would_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    project, _, user = prepared("gold", monkeypatch)
    _, token = issue_token(user=user, name="t", scopes=["write", "read"], project=project)
    client = Client(headers={"Authorization": f"Bearer {token}"})
    for path in ("judgments", "export", "export?format=pairs", "quality"):
        assert client.get(f"/api/v1/projects/{project.slug}/{path}").status_code == 403
    pages = login(user)
    for name in ("pairs", "contested", "quality", "data", "project"):
        assert pages.get(reverse(name, args=[project.slug])).status_code == 403


def test_the_page_does_not_number_its_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    project, _, user = prepared("repeat", monkeypatch)
    shown = login(user).get(reverse("judge", args=[project.slug])).content.decode()
    assert "data-pair" not in shown
