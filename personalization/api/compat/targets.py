"""Whose rewards a client means that has no field for it: from ``model``, from the address, or from its token."""

from __future__ import annotations

from dataclasses import dataclass

from rest_framework.request import Request

from annotator.access import project_for
from annotator.api.permissions import caller
from annotator.errors import Invalid
from annotator.models import ApiToken, Project
from personalization.voices import Asker

EVERYBODY = ("", "*")
FORM = "project, project:user or project@name@version:user, such as everyday@hybrid@3:p-17"


@dataclass(frozen=True, slots=True)
class Target:
    """Who asks, for whom (None is everybody), under which version (None is the live one). ``named`` as the client said."""

    asker: Asker
    user: str | None
    version: str | None
    named: str


@dataclass(frozen=True, slots=True)
class _Named:
    """What a ``model`` or the address says: ``project[@name@version][:user]``."""

    project: str
    version: str | None
    user: str | None
    says_user: bool

    @classmethod
    def read(cls, text: str) -> _Named:
        place, colon, user = text.partition(":")
        project, _, version = place.partition("@")
        return cls(project, version or None, None if user in EVERYBODY else user, bool(colon))


def target_of(request: Request, *, model: object, who: str | None) -> Target:
    """The target of a request. ``who`` is what the address has between /u/ and the next slash.

    Raises ``Invalid`` where no project is named or two different users are, ``NotFound`` for one that is not the caller's.
    """
    if model is not None and not isinstance(model, str):
        raise Invalid(f"model must be a text: {FORM}.", fields={"model": f"must be a text: {FORM}"})
    named = _Named.read(model) if model else None
    only = _only_project(request)
    placed = _placed(who, named, only) if who is not None else None
    project = (named and named.project) or (placed and placed.project) or only
    if not project:
        raise Invalid(f"Which project? Give it as model: {FORM}.", fields={"model": f"is missing; expected {FORM}"})
    if named and named.says_user and placed and placed.user != named.user:
        raise Invalid(
            f"The address is for “{placed.user}” and model for “{named.user}”.",
            fields={"model": "names another user than the address"},
        )
    user = placed.user if placed else named.user if named else None
    version = (named and named.version) or (placed and placed.version) or None
    asking = caller(request)
    return Target(Asker(project_for(asking, project), asking.pk), user, version, model or who or project)


def _placed(who: str, named: _Named | None, only: str | None) -> _Named:
    """What the address says. Where the project is known from elsewhere, a colon may be part of the user."""
    read = _Named.read(who)
    known = named.project if named else only
    if known is None or (read.says_user and read.project == known):
        return read
    return _Named(known, None, None if who in EVERYBODY else who, says_user=True)


def _only_project(request: Request) -> str | None:
    """The slug of the one project that the token reaches."""
    token = request.auth
    if not isinstance(token, ApiToken) or token.project_id is None:
        return None
    return Project.objects.filter(pk=token.project_id).values_list("slug", flat=True).first()
