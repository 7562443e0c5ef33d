"""A project with one of everything that an address can name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.utils import timezone

from annotator.models import Erasure, ImportBatch, Invite, Membership, Picture, Project, Role, User
from annotator.services.dealing import deal
from annotator.services.pinning import pin_lineup, pin_pair
from annotator.services.tokens import issue_token
from annotator.services.webhooks import add_webhook, send_test
from personalization.models import MachineAnnotator, PolicyRound
from tests.factories import ThreePeople, make_lineup, make_member, make_people
from tests.personalization.worlds import judge, make_version, responses_of
from training.models import PolicyRun, PolicyTrial, PolicyVersion
from training.snapshots import take_snapshot

CHANGES_BY_ITSELF = {"annotator.ApiToken", "annotator.IdempotencyRecord", "sessions.Session", "annotator.User"}
"""Noted with every request, whoever asks."""


@dataclass(frozen=True, slots=True)
class Victim:
    """``objects``: what goes into an address, by what stands before it there."""

    people: ThreePeople
    objects: dict[str, Any]
    assignment: str
    """Key of a pair that the annotator holds."""
    pair: Any

    @property
    def slug(self) -> str:
        return self.people.project.slug


def make_victim() -> Victim:
    people = make_people(pairs=3)
    project, owner = people.project, people.owner
    pair, other, held = project.pairs.select_related("response_a", "response_b", "prompt").order_by("pk")
    version = make_version(project, responses_of([pair, other]))
    judgment = judge(people.judge, pair, "a")
    assert deal(annotator=people.judge)
    invite = Invite.objects.create(
        project=project, digest="0" * 64, expires_at=timezone.now() + timedelta(days=1), created_by=owner
    )
    batch = ImportBatch.objects.create(project=project, by=owner, name="rows.jsonl", path="imports/none")
    token, _ = issue_token(user=owner, name="theirs", scopes=["read"], project=project)
    webhook = add_webhook(project=project, url="https://example.org/hook", events=["judgment.created"], by=owner)
    message = send_test(webhook=webhook)
    picture = Picture.objects.create(project=project, name=f"{'0' * 64}.png", width=1, height=1, size=1)
    snapshot = take_snapshot(project=project, by=owner)
    lineup = make_lineup(project, 3)
    erasure = Erasure.objects.create(project=project, by=owner)
    viewer = make_member(project, role=Role.VIEWER)
    pin_pair(pair=held, annotators=[people.judge], by=owner)
    pin_lineup(lineup=lineup, annotators=[people.judge], by=owner)
    lent = {each.state: each for each in people.judge.assignments.filter(lineup=None)}
    return Victim(
        people,
        {
            "pairs:int": pair.pk,
            "lineups:int": lineup.pk,
            "erasures:uuid": erasure.key,
            "pins:int": lent["pinned"].pk,
            "pinned:int": people.judge.assignments.get(lineup=lineup).pk,
            "history:int": judgment.pk,
            "judgments:int": judgment.pk,
            "imports:int": batch.pk,
            "invites:int": invite.pk,
            "members:int": Membership.objects.get(project=project, user=viewer).pk,
            "annotators:int": people.judge.pk,
            "annotators:path": people.judge.ref,
            "people:int": people.judge.pk,
            "tokens:str": token.token_key,
            "logins:str": people.annotator.email,
            "prompts:path": pair.prompt.ref,
            "webhooks:int": webhook.pk,
            "messages:int": message.pk,
            "messages:str": f"msg_{message.key.hex}",
            "runs:int": 1,
            "models:int": 1,
            "models:str": version.label,
            "pictures:str": picture.name,
            "snapshots:str": snapshot.digest,
            "diff:str": snapshot.digest,
            **_policies(project, owner),
        },
        str(lent["open"].key),
        pair,
    )


def _policies(project: Project, owner: User) -> dict[str, Any]:
    """A policy with a trial and a round of it, and a machine annotator."""
    run = PolicyRun.objects.create(project=project, number=1)
    policy = PolicyVersion.objects.create(
        project=project, number=1, base="tiny", path="policies/none", digest="0" * 64, run=run
    )
    PolicyRound.objects.create(project=project, number=1, version=policy, base="tiny", by=owner)
    MachineAnnotator.objects.create(project=project, number=1, name="Follow", kind="followup", base="tiny")
    trial = PolicyTrial.objects.create(project=project, prompt="Why?", by=owner)
    return {
        "playground:int": trial.pk,
        "trials:int": trial.pk,
        "policies:int": policy.number,
        "rounds:int": 1,
        "machines:int": 1,
    }


def everything() -> dict[str, list[dict[str, Any]]]:
    """All rows of our tables, to see that nothing was changed."""
    return {
        model._meta.label: sorted(
            (dict(row) for row in model._default_manager.values()), key=lambda row: str(row["id"])
        )
        for model in apps.get_models()
        if model._meta.app_label in ("annotator", "training", "personalization")
        and model._meta.label not in CHANGES_BY_ITSELF
    }
