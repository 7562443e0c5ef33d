"""Set-up: saving, two owners at once, previews, archive, delete."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from annotator.models import AuditEntry, Judgment, Pair, Project
from annotator.services.settings import settings_version
from annotator.setup_form import ENCODERS, REWARD_MODELS, SetupForm
from attune.encoders import get_encoder
from attune.rewards import names
from tests.factories import ThreePeople, make_pair


def as_is(project: Project) -> dict[str, object]:
    """What the page would post unchanged."""
    form = SetupForm(instance=project)
    data = {name: form[name].value() for name in SetupForm.Meta.fields if form[name].value() not in (False, None)}
    return data | {
        "version": settings_version(project),
        "repeat_percent": 100 * project.repeat_rate,
        "hindsight_percent": 100 * project.hindsight_rate,
        "gold_percent": 100 * project.gold_rate,
        "shared_percent": 100 * project.shared_share,
        "tag_key": [tag["key"] for tag in project.reason_tags],
        "tag_label": [tag["label"] for tag in project.reason_tags],
    }


def page_of(project: Project) -> str:
    return reverse("setup", args=[project.slug])


def test_the_page_shows_what_is_stored(people: ThreePeople, owner_client: Client) -> None:
    page = owner_client.get(page_of(people.project)).content.decode()
    assert 'value="Clear"' in page
    assert settings_version(people.project) in page
    assert "<script>" not in page and "style=" not in page


def test_saving_stores_everything_and_says_how_much(people: ThreePeople, owner_client: Client) -> None:
    changed = as_is(people.project) | {
        "name": "Ärztliche Antworten",
        "instructions": "Read **both**.",
        "rationales": "strong",
        "choosing": "random",
        "overlap": 5,
        "repeat_percent": "12.5",
        "reward_model": "bradley_terry",
        "tag_key": ["clear", "warm", ""],
        "tag_label": ["Clear", "", "Gets to the point"],
    }
    changed.pop("show_guess")
    assert owner_client.post(page_of(people.project), changed).status_code == 302
    project = Project.objects.get(pk=people.project.pk)
    assert project.name == "Ärztliche Antworten"
    assert (project.rationales, project.choosing, project.overlap) == ("strong", "random", 5)
    assert project.repeat_rate == 0.125
    assert project.show_guess is False
    assert project.reason_tags == [
        {"key": "clear", "label": "Clear"},
        {"key": "gets-to-the-point", "label": "Gets to the point"},
    ]
    assert "9 settings saved" in owner_client.get(page_of(project)).content.decode()
    entry = AuditEntry.objects.get()
    assert entry.what == "set-up changed"
    assert entry.about["values"]["overlap"] == [3, 5]


def test_saving_nothing_changes_nothing(people: ThreePeople, owner_client: Client) -> None:
    before = Project.objects.values().get(pk=people.project.pk)
    assert owner_client.post(page_of(people.project), as_is(people.project)).status_code == 302
    assert Project.objects.values().get(pk=people.project.pk) == before
    assert not AuditEntry.objects.exists()


def test_two_owners_do_not_overwrite_each_other(people: ThreePeople, owner_client: Client) -> None:
    mine = as_is(people.project) | {"overlap": 7}
    assert owner_client.post(page_of(people.project), as_is(people.project) | {"overlap": 4}).status_code == 302
    refused = owner_client.post(page_of(people.project), mine)
    page = refused.content.decode()
    assert refused.status_code == 409
    assert "Olive Owner changed overlap" in page
    project = Project.objects.get(pk=people.project.pk)
    assert project.overlap == 4
    assert f'value="{settings_version(project)}"' in page, "to save again is then meant"
    assert owner_client.post(page_of(project), mine | {"version": settings_version(project)}).status_code == 302
    project.refresh_from_db()
    assert project.overlap == 7


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"name": ""}, "required"),
        ({"overlap": "0"}, "greater than or equal to 1"),
        ({"lease_minutes": "0"}, "greater than or equal to 1"),
        ({"repeat_percent": "51"}, "less than or equal to 50"),
        ({"gold_percent": "nan"}, "Enter a number"),
        ({"rationales": "sometimes"}, "not one of the available"),
        ({"reward_model": "oracle"}, "not one of the available"),
        ({"encoder": "gpt"}, "not one of the available"),
        ({"name": "a\x00b"}, "Null characters"),
        ({"tag_key": ["", ""], "tag_label": ["Clear", "clear"]}, "is there twice"),
        ({"tag_key": [""], "tag_label": ["x" * 41]}, "at most 40"),
        ({"tag_key": [""] * 9, "tag_label": [f"t{n}" for n in range(9)]}, "At most 8 reasons"),
    ],
)
def test_bad_values_are_named_and_nothing_is_stored(
    changed: dict[str, object], reason: str, people: ThreePeople, owner_client: Client
) -> None:
    before = Project.objects.values().get(pk=people.project.pk)
    response = owner_client.post(page_of(people.project), as_is(people.project) | changed)
    assert response.status_code == 422
    assert reason in response.content.decode()
    assert Project.objects.values().get(pk=people.project.pk) == before


def test_a_tag_keeps_its_key_when_its_label_changes(people: ThreePeople, owner_client: Client) -> None:
    owner_client.post(page_of(people.project), as_is(people.project) | {"tag_label": ["Easy to follow", "Warm"]})
    people.project.refresh_from_db()
    assert people.project.tag_labels == {"clear": "Easy to follow", "warm": "Warm"}


def test_line_ends_of_browsers_are_no_change(people: ThreePeople, owner_client: Client) -> None:
    Project.objects.filter(pk=people.project.pk).update(instructions="One\n\n- two")
    people.project.refresh_from_db()
    sent = as_is(people.project) | {"instructions": "One\r\n\r\n- two"}
    assert owner_client.post(page_of(people.project), sent).status_code == 302
    assert not AuditEntry.objects.exists()


def test_the_page_says_what_the_pairs_cost(people: ThreePeople, owner_client: Client) -> None:
    judged(people)
    Project.objects.filter(pk=people.project.pk).update(overlap=3)
    page = owner_client.get(page_of(people.project)).content.decode()
    assert "5 pairs need 15 judgments" in page
    assert "36 s for each, that is 0.2 hours" in page


def test_a_project_may_have_no_tags(people: ThreePeople, owner_client: Client) -> None:
    assert (
        owner_client.post(page_of(people.project), as_is(people.project) | {"tag_label": ["", ""]}).status_code == 302
    )
    people.project.refresh_from_db()
    assert people.project.reason_tags == []


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true", "HX-Target": "preview"}], ids=["plain", "htmx"])
def test_the_preview_renders_and_stores_nothing(
    headers: dict[str, str], people: ThreePeople, owner_client: Client
) -> None:
    entered = as_is(people.project) | {"instructions": "Be *kind*. <script>alert(1)</script>", "act": "preview"}
    response = owner_client.post(page_of(people.project), entered, headers=headers)
    page = response.content.decode()
    assert response.status_code == 200
    assert "<em>kind</em>" in page
    assert "<script>alert" not in page
    assert ("<html" in page) is (not headers)
    people.project.refresh_from_db()
    assert people.project.instructions == ""


def test_overlap_spreads_but_never_below_what_is_given_out(people: ThreePeople, owner_client: Client) -> None:
    busy = make_pair(people.project, cap=3)
    Pair.objects.filter(pk=busy.pk).update(taken=3)
    gone = make_pair(people.project, cap=3)
    Pair.objects.filter(pk=gone.pk).update(withdrawn_at="2026-01-01T00:00Z")
    owner_client.post(page_of(people.project), as_is(people.project) | {"overlap": 2, "spread": "on"})
    caps = dict(people.project.pairs.values_list("pk", "cap"))
    assert caps.pop(busy.pk) == 3
    assert caps.pop(gone.pk) == 3
    assert set(caps.values()) == {2}


def test_the_choices_are_those_of_the_core() -> None:
    assert sorted(REWARD_MODELS) == sorted(names())
    for name in ENCODERS:
        assert get_encoder(name)


def test_archiving_is_undone(people: ThreePeople, owner_client: Client) -> None:
    where = reverse("setup_archive", args=[people.project.slug])
    owner_client.post(where, {"archive": "on"})
    people.project.refresh_from_db()
    assert people.project.archived_at
    assert ">archived<" in owner_client.get(reverse("home")).content.decode()
    owner_client.post(where, {"archive": "off"})
    people.project.refresh_from_db()
    assert people.project.archived_at is None
    assert [entry.what for entry in AuditEntry.objects.all()] == ["project restored", "project archived"]


def judged(people: ThreePeople) -> Judgment:
    return Judgment.objects.create(
        project=people.project,
        annotator=people.judge,
        pair=people.project.pairs.earliest("id"),
        client_key="00000000-0000-0000-0000-000000000001",
        choice="a",
        seconds=36,
    )


def test_judgments_leave_only_by_deleting_the_project(people: ThreePeople, owner_client: Client) -> None:
    judgment = judged(people)
    with pytest.raises(IntegrityError), transaction.atomic():
        judgment.delete()
    where = reverse("setup_delete", args=[people.project.slug])
    refused = owner_client.post(where, {"typed": people.project.name.lower()[:-1]})
    assert refused.status_code == 422
    assert "is not the project’s name" in refused.content.decode()
    assert Judgment.objects.exists()

    assert owner_client.post(where, {"typed": people.project.name})["Location"] == reverse("home")
    assert not Judgment.objects.exists()
    assert list(Project.objects.all()) == [people.elsewhere]
    entry = AuditEntry.objects.get()
    assert (entry.what, entry.project, entry.about["judgments"]) == ("project deleted", None, 1)


@pytest.mark.django_db(transaction=True)
def test_erasing_is_off_again_afterwards() -> None:
    from tests.factories import login, make_people

    first, second = make_people(pairs=1), make_people(pairs=1)
    judged(first)
    login(first.owner).post(reverse("setup_delete", args=[first.project.slug]), {"typed": first.project.name})
    with pytest.raises(IntegrityError), transaction.atomic():
        judged(second).delete()
