"""The starter project: our prompts, simulated annotators (labelled so), two logins and a token to try things with."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import orjson
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from annotator.imports.running import run_import
from annotator.models import Annotator, ApiToken, Membership, Project, Role, User
from annotator.services.people import annotator_of
from annotator.services.projects import create_project
from annotator.services.tokens import issue_token
from attune.simulate import AXES, REASON_TAGS, Simulation, StyledPrompt, load_starter, simulate

NAME, SLUG = "Everyday answers", "everyday"
OWNER, ANNOTATOR = "owner@attune.example", "annotator@attune.example"
SIMULATED_ANNOTATORS = 48
SIMULATED_JUDGMENTS = 4_000
SEED = 20_261
ACCESS_FILE, TRUTH_FILE = "demo-access.json", "demo-truth.json"
ISSUED_AS = "Starter project"
_NOTE = (
    "Prompts and responses were written for Attune. The first judgments are simulated: they come from"
    f" {SIMULATED_ANNOTATORS} programs with known tastes, called Simulated 01 and so on, so that there is something to try."
)


@dataclass(frozen=True, slots=True)
class DemoAccess:
    """How to get in."""

    annotator_email: str
    annotator_password: str
    owner_email: str
    owner_password: str
    token: str
    project_slug: str


def seed_demo() -> DemoAccess:
    """The starter project and how to get in; what is there is kept, and the same access is given again.

    Passwords and tokens are stored hashed, so their plain text is kept in ``$ATTUNE_HOME/demo-access.json``, readable by
    this account only; where that file is lost, new ones are made. The simulated annotators' true tastes go to
    ``demo-truth.json`` beside it and nowhere else.
    """
    with transaction.atomic():
        project = Project.objects.filter(slug=SLUG).first()
        kept = _kept_access()
        if project and kept and User.objects.filter(email__in=[kept.owner_email, kept.annotator_email]).count() == 2:
            return kept
        owner, annotator = _login(OWNER, "Olivia (owner)"), _login(ANNOTATOR, "Andy (annotator)")
        project = project or _make_project(owner)
        access = _grant(project, owner, annotator)
        _keep(ACCESS_FILE, asdict(access))
    return access


def _make_project(owner: User) -> Project:
    project = create_project(owner=owner, name=NAME, slug=SLUG, template="everyday")
    project.simulated = True
    project.reason_tags = [{"key": key, "label": label} for key, label in REASON_TAGS]
    project.source_note = _NOTE
    project.save()
    prompts = load_starter()
    simulation = simulate(prompts, annotators=SIMULATED_ANNOTATORS, judgments=SIMULATED_JUDGMENTS, seed=SEED)
    Annotator.objects.bulk_create(
        Annotator(project=project, ref=name, name=name.replace("-", " ").capitalize(), simulated=True)
        for name in simulation.people
    )
    _import(project, map(_prompt_row, prompts))
    _import(project, _judgment_rows(prompts, simulation))
    _keep(TRUTH_FILE, _truth(simulation))
    return project


def _import(project: Project, rows: Iterable[Mapping[str, object]]) -> None:
    """Take rows of our own through the door that everybody's files come in by."""
    report = run_import(io.BytesIO(b"".join(orjson.dumps(row) + b"\n" for row in rows)), project=project)
    if not report.written:
        raise RuntimeError(f"the starter project does not pass its own checks: {report.problems[0]}")


def _prompt_row(prompt: StyledPrompt) -> dict[str, object]:
    responses = [
        {"id": each.id, "text": each.text, "style": dict(zip(AXES, each.style, strict=True))}
        for each in prompt.responses
    ]
    return {"id": prompt.id, "topic": prompt.topic, "prompt": prompt.prompt, "responses": responses}


def _judgment_rows(prompts: Iterable[StyledPrompt], simulation: Simulation) -> Iterator[dict[str, object]]:
    """As ``attune import`` reads them, moved in time so that the last judgment was made an hour ago."""
    prompt_of = {response.id: prompt for prompt in prompts for response in prompt.responses}
    last = datetime.fromisoformat(simulation.judgments[-1].judged_at)
    moved = timezone.now() - timedelta(hours=1) - last
    for judgment, seconds in zip(simulation.judgments, simulation.seconds, strict=True):
        yield {
            "annotator": judgment.annotator,
            "simulated": True,
            "prompt_id": prompt_of[judgment.a].id,
            "prompt": prompt_of[judgment.a].prompt,
            "response_a_id": judgment.a,
            "response_a": simulation.responses[judgment.a].text,
            "response_b_id": judgment.b,
            "response_b": simulation.responses[judgment.b].text,
            "preference": judgment.choice,
            "strength": judgment.strength,
            "swapped": judgment.swapped,
            "rationale": judgment.rationale,
            "tags": [_tag(each) for each in judgment.tags],
            "judged_at": (datetime.fromisoformat(judgment.judged_at) + moved).isoformat(),
            "seconds": seconds,
        }


def _tag(signed: str) -> dict[str, object]:
    """``a+warm`` as side, sign and key."""
    return {"side": signed[0], "good": signed[1] == "+", "tag": signed[2:]}


def _truth(simulation: Simulation) -> dict[str, object]:
    return {
        "seed": SEED,
        "axes": AXES,
        "annotators": {name: asdict(person) for name, person in simulation.people.items()},
        "quality": dict(simulation.quality),
    }


def _login(email: str, name: str) -> User:
    return User.objects.filter(email=email).first() or User.objects.create_user(email, name=name)


def _grant(project: Project, owner: User, annotator: User) -> DemoAccess:
    """New passwords, the memberships, and a token in place of an earlier one."""
    passwords = [_new_password(user) for user in (annotator, owner)]
    for user, role in ((owner, Role.OWNER), (annotator, Role.ANNOTATOR)):
        Membership.objects.update_or_create(project=project, user=user, defaults={"role": role})
    annotator_of(project=project, user=annotator)
    ApiToken.objects.filter(user=owner, name=ISSUED_AS, project=project).delete()
    _, token = issue_token(user=owner, name=ISSUED_AS, scopes=ApiToken.Scope.values, project=project)
    return DemoAccess(annotator.email, passwords[0], owner.email, passwords[1], token, project.slug)


def _new_password(user: User) -> str:
    password = secrets.token_urlsafe(12)
    user.set_password(password)
    user.save()
    return password


def _kept_access() -> DemoAccess | None:
    """What an earlier call gave; None where the file is not there or not ours."""
    try:
        return DemoAccess(**orjson.loads(_home_file(ACCESS_FILE).read_bytes()))
    except (OSError, orjson.JSONDecodeError, TypeError):
        return None


def _keep(name: str, content: Mapping[str, object]) -> None:
    """Write a file that only this account reads, whole or not at all."""
    path = _home_file(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    draft.replace(path)


def _home_file(name: str) -> Path:
    return Path(settings.ATTUNE_HOME) / name
