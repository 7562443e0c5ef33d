"""The quality pages: what they say of a project and of one person, and what an owner can do there."""

from __future__ import annotations

import subprocess
import sys
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from annotator.models import Annotator, AuditEntry, Judgment, Pair, Project, QualityStep
from annotator.services.assessing import assess
from annotator.services.fits import keep_fits
from annotator.services.gold import set_gold
from annotator.services.standing import check_standing
from tests.factories import ThreePeople, make_annotator, make_pair, make_prompt


@pytest.fixture
def judged(people: ThreePeople) -> ThreePeople:
    """Twenty pairs of two topics that Anna and three others judged; Anna always the other way round."""
    project = people.project
    for n in range(20):
        make_pair(
            project, prompt=make_prompt(project, topic="tea" if n % 2 else "coffee"), a="A long answer.", b="Short."
        )
    others = [make_annotator(project, name=f"Person {n}") for n in range(3)]
    for n, pair in enumerate(Pair.objects.filter(project=project)):
        for annotator in (people.judge, *others):
            choice = "ab"[(n + (annotator == people.judge)) % 2]
            Judgment.objects.create(
                project=project,
                annotator=annotator,
                pair=pair,
                choice=choice,
                client_key=uuid4(),
                seconds=9 + n,
                strength=2,
            )
    for annotator in (people.judge, *others):
        own = 23 if annotator != people.judge else 22
        keep_fits(version="hybrid", signature="", fits={annotator.pk: (own, 12, 25)})
    assert assess(project=project)
    return people


def page(client: Client, name: str, project: Project, *args: int, **query: str) -> str:
    return client.get(reverse(name, args=[project.slug, *args]), query).content.decode()


def test_before_there_is_a_report(people: ThreePeople, owner_client: Client) -> None:
    assert "No figures yet" in page(owner_client, "quality", people.project)
    assert "There are no figures yet" in page(owner_client, "annotator_quality", people.project, people.judge.pk)


def test_the_report_in_words(judged: ThreePeople, owner_client: Client) -> None:
    said = page(owner_client, "quality", judged.project)
    assert "As of" in said
    for words in (
        "No leaning to be seen",
        "α, five answers",
        "coffee",
        "contrary",
        "How it is computed",
    ):
        assert words in said, words
    assert "style=" not in said
    part = owner_client.get(
        reverse("quality", args=[judged.project.slug]),
        {"verdict": "contrary"},
        headers={"HX-Request": "true", "HX-Target": "judges"},
    ).content.decode()
    assert "Anna" in part and "Person 1" not in part
    assert "Nobody is like that" in page(owner_client, "quality", judged.project, verdict="inconsistent")
    assert "Person 2" in page(owner_client, "quality", judged.project, q="person 2")


def test_one_person_in_words(judged: ThreePeople, owner_client: Client) -> None:
    said = page(owner_client, "annotator_quality", judged.project, judged.judge.pk)
    assert "a taste of its own and nothing to correct" in said.replace("\n", " ")
    assert "Says the same as somebody else on the same pair in 0 % of cases; " in said
    assert "Their own model guesses 88 % of their choices; the model for everybody, 48 %." in said
    assert "Wilson interval" in said


def test_a_pairs_aggregated_answers(judged: ThreePeople, owner_client: Client) -> None:
    pair = Pair.objects.filter(project=judged.project).earliest("pk")
    said = page(owner_client, "pair", judged.project, pair.pk)
    assert "Taken together" in said and "Majority" in said and "75 %" in said and "MACE" in said
    assert (
        "Taken together"
        not in owner_client.get(
            reverse("pair", args=[judged.project.slug, pair.pk]), {"judgments": "hide"}
        ).content.decode()
    )


def test_left_out_and_restored(judged: ThreePeople, owner_client: Client) -> None:
    where = reverse("annotator_stand", args=[judged.project.slug, judged.judge.pk])
    said = owner_client.post(where, {"act": "drop"}, follow=True).content.decode()
    assert "learns nothing from Anna" in said and "left out of training" in said
    assert Annotator.objects.get(pk=judged.judge.pk).dropped_at
    said = owner_client.post(where, {"act": "restore"}, follow=True).content.decode()
    assert "counts again" in said
    assert list(QualityStep.objects.values_list("what", "by__name")) == [
        ("restored", "Olive Owner"),
        ("dropped", "Olive Owner"),
    ]
    assert "Restored" in said and "Left out of training" in said


def test_failed_checks_are_told_with_their_figures(judged: ThreePeople, owner_client: Client) -> None:
    Project.objects.filter(pk=judged.project.pk).update(gold_bar=0.8, checks_needed=3)
    judged.project.refresh_from_db()
    for pair in Pair.objects.filter(project=judged.project)[:4]:
        set_gold(pair=pair, choice="a", by=None)
    assert check_standing(project=judged.project) == 4
    said = page(owner_client, "quality", judged.project)
    assert "Owners told" in said and "known answers: 2/4, at least 80 % needed" in said
    assert "Whoever is below a bar after 3 checks of its kind: the owners are told." in said


def test_the_overview_says_so_until_somebody_has_looked(judged: ThreePeople, owner_client: Client) -> None:
    Project.objects.filter(pk=judged.project.pk).update(gold_bar=0.8, checks_needed=3)
    judged.project.refresh_from_db()
    assert "below a bar" not in page(owner_client, "project", judged.project)
    for pair in Pair.objects.filter(project=judged.project)[:4]:
        set_gold(pair=pair, choice="a", by=None)
    check_standing(project=judged.project)
    assert "4 people fell below a bar for checks this week" in page(owner_client, "project", judged.project)
    owner_client.post(reverse("annotator_stand", args=[judged.project.slug, judged.judge.pk]), {"act": "drop"})
    assert "3 people fell below a bar" in page(owner_client, "project", judged.project)


def test_qualification_by_the_owner(judged: ThreePeople, owner_client: Client) -> None:
    Project.objects.filter(pk=judged.project.pk).update(qualify_share=0.5)
    Annotator.objects.filter(pk=judged.judge.pk).update(qualified=False)
    where = reverse("annotator_stand", args=[judged.project.slug, judged.judge.pk])
    assert "Add others first" in owner_client.post(where, {"act": "again"}, follow=True).content.decode()
    assert "Anna may judge" in owner_client.post(where, {"act": "qualify"}, follow=True).content.decode()


def test_quotas_of_ones_own(judged: ThreePeople, owner_client: Client) -> None:
    where = reverse("annotator_quotas", args=[judged.project.slug, judged.judge.pk])
    assert owner_client.post(where, {"quota_day": "0"}).status_code == 422
    owner_client.post(where, {"quota_day": "7", "quota_total": ""})
    judged.judge.refresh_from_db()
    assert (judged.judge.quota_day, judged.judge.quota_total) == (7, None)
    entry = AuditEntry.objects.get(what="quotas set")
    assert entry.about["values"] == {"in_all": [None, None], "a_day": [None, 7]}


def test_asking_for_figures_now(
    judged: ThreePeople, owner_client: Client, django_capture_on_commit_callbacks: object
) -> None:
    where = reverse("quality_now", args=[judged.project.slug])
    assert owner_client.post(where).status_code == 302  # nobody listens to the broker here, and that is no error


@pytest.mark.parametrize("name", ["annotator_stand", "annotator_quotas"])
def test_only_owners_act(name: str, judged: ThreePeople, annotator_client: Client, stranger_client: Client) -> None:
    where = reverse(name, args=[judged.project.slug, judged.judge.pk])
    assert annotator_client.post(where, {"act": "drop"}).status_code == 403
    assert stranger_client.post(where, {"act": "drop"}).status_code == 404
    assert not QualityStep.objects.exists()


def test_annotators_never_see_figures_of_people(judged: ThreePeople, annotator_client: Client) -> None:
    for name, args in (("quality", ()), ("annotator_quality", (judged.judge.pk,))):
        assert annotator_client.get(reverse(name, args=[judged.project.slug, *args])).status_code == 403


def test_pages_do_not_load_what_only_workers_need() -> None:
    code = (
        "import django, sys; django.setup(); import config.urls;"
        "heavy = {'pandas', 'crowdkit', 'attune.quality.people', 'torch', 'sklearn'} & sys.modules.keys(); sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
