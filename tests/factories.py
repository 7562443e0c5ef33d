"""Small makers of real rows for tests. Every default can be overridden by keyword."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.test import Client

from annotator.models import Annotator, Lineup, Membership, Pair, Project, Prompt, Response, Role, User
from attune.data import content_digest

PASSWORD = "correct horse battery"
_numbers = itertools.count(1)


def make_user(email: str = "", **fields: Any) -> User:
    """A login with ``PASSWORD``."""
    return User.objects.create_user(email or f"user{next(_numbers)}@example.org", PASSWORD, **fields)


def make_member(project: Project, user: User | None = None, role: Role = Role.ANNOTATOR) -> User:
    user = user or make_user()
    Membership.objects.create(project=project, user=user, role=role)
    return user


def make_annotator(project: Project, user: User | None = None, **fields: Any) -> Annotator:
    """Who judges; with a user they also become a member."""
    if user:
        Membership.objects.get_or_create(project=project, user=user, defaults={"role": Role.ANNOTATOR})
    fields.setdefault("ref", f"ref-{next(_numbers)}")
    return Annotator.objects.create(project=project, user=user, **fields)


def make_project(*, pairs: int = 0, **fields: Any) -> Project:
    """A project with ``pairs`` pairs, each of its own prompt, dealt in the order of the list, no repeats, two tags."""
    number = next(_numbers)
    defaults: dict[str, Any] = {
        "slug": f"project-{number}",
        "name": f"Project {number}",
        "choosing": Project.Choosing.LISTED,
        "repeat_rate": 0.0,
        "reason_tags": [{"key": "clear", "label": "Clear"}, {"key": "warm", "label": "Warm"}],
    }
    project = Project.objects.create(**defaults | fields)
    for _ in range(pairs):
        make_pair(project)
    return project


def make_prompt(project: Project, text: str = "", **fields: Any) -> Prompt:
    number = next(_numbers)
    text = text or f"How do I boil {number} eggs?"
    defaults: dict[str, Any] = {
        "ref": f"prompt-{number}",
        "messages": [{"role": "user", "content": text}],
        "text": text,
        "digest": content_digest(text, ""),
    }
    return Prompt.objects.create(project=project, **defaults | fields)


def make_response(prompt: Prompt, text: str = "", **fields: Any) -> Response:
    number = next(_numbers)
    text = text or f"Answer {number}: boil them for ten minutes."
    defaults: dict[str, Any] = {"ref": f"response-{number}", "digest": content_digest(prompt.text, text)}
    return Response.objects.create(prompt=prompt, text=text, **defaults | fields)


def make_pair(project: Project, *, prompt: Prompt | None = None, a: str = "", b: str = "", **fields: Any) -> Pair:
    """Two new responses, with texts ``a`` and ``b``, to ``prompt`` or a new one."""
    prompt = prompt or make_prompt(project)
    fields.setdefault("cap", project.overlap)
    return Pair.objects.create(
        project=project,
        prompt=prompt,
        response_a=make_response(prompt, a),
        response_b=make_response(prompt, b),
        **fields,
    )


def make_lineup(project: Project, responses: int = 4, *, texts: Sequence[str] = (), **fields: Any) -> Lineup:
    """New responses to a new prompt: one to rate, or several to put in order."""
    prompt = fields.pop("prompt", None) or make_prompt(project)
    rows = [make_response(prompt, text) for text in texts or [""] * responses]
    fields.setdefault("cap", project.overlap)
    kind = "rating" if len(rows) == 1 else "ranking"
    return Lineup.objects.create(
        project=project, prompt=prompt, kind=kind, responses=[row.pk for row in rows], **fields
    )


@dataclass(frozen=True)
class ThreePeople:
    """One owns the project, one judges in it, one owns another project and must see nothing of it."""

    project: Project
    owner: User
    annotator: User
    stranger: User
    judge: Annotator
    """The annotator's row in the project."""
    elsewhere: Project
    """The stranger's own project."""


def make_people(project: Project | None = None, **fields: Any) -> ThreePeople:
    """The three people of ``project``, or of a new one made with ``fields``."""
    project = project or make_project(**fields)
    elsewhere = make_project()
    owner = make_member(project, make_user(f"owner@{project.slug}.example.org", name="Olive Owner"), Role.OWNER)
    annotator = make_user(f"annotator@{project.slug}.example.org", name="Anna Annotator")
    stranger = make_member(
        elsewhere, make_user(f"stranger@{project.slug}.example.org", name="Sam Stranger"), Role.OWNER
    )
    judge = make_annotator(project, annotator, name="Anna")
    return ThreePeople(project, owner, annotator, stranger, judge, elsewhere)


def login(user: User) -> Client:
    """A browser of a user who is logged in."""
    client = Client()
    client.force_login(user)
    return client
