"""Starting a project, from one of a few templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db import IntegrityError, transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from annotator.errors import Conflict, Invalid
from annotator.models import Membership, Project, Role, User
from annotator.services.audit import record
from annotator.services.texts import text_problem

MAX_NAME = 200
MAX_SLUG = 80
MAX_DESCRIPTION = 20_000
RESERVED = {"new"}
"""Slugs that would hide a page's address."""
_TRIES = 100


@dataclass(frozen=True, slots=True)
class Template:
    """Settings to start from; all of them can be changed in the set-up. Texts are English, and stored in the maker's language."""

    label: str
    about: str
    instructions: str = ""
    tags: tuple[str, ...] = ()
    values: Mapping[str, object] = field(default_factory=dict)

    @property
    def reason_tags(self) -> list[dict[str, str]]:
        return [{"key": slugify(tag), "label": _(tag)} for tag in self.tags]


TEMPLATES = {
    "everyday": Template(
        gettext_noop("Everyday answers"),
        gettext_noop("Which of two answers do you prefer? For assistants and chat models."),
        gettext_noop(
            "Read both responses, then say which one **you** would rather have got. There is no right answer: your taste is what we are after.\n\n- *About equal* is fine where you see no difference that matters.\n- *Both bad* is for two responses that you would not want to have.\n- A reason or two helps a lot."
        ),
        (
            gettext_noop("Accurate"),
            gettext_noop("Complete"),
            gettext_noop("Clear"),
            gettext_noop("Right length"),
            gettext_noop("Good tone"),
        ),
    ),
    "writing": Template(
        gettext_noop("Writing style"),
        gettext_noop("Which of two texts reads better? For letters, summaries, posts."),
        gettext_noop(
            "Both texts say much the same. Say which one **reads better** to you, whatever you think of the matter."
        ),
        (
            gettext_noop("Flows well"),
            gettext_noop("Plain words"),
            gettext_noop("Warm"),
            gettext_noop("To the point"),
            gettext_noop("Vivid"),
        ),
        {"repeat_rate": 0.08},
    ),
    "arguments": Template(
        gettext_noop("Arguments"),
        gettext_noop("Which of two arguments convinces more? Reasons are asked for."),
        gettext_noop("Say which argument is **more convincing**, even if you disagree with both."),
        (
            gettext_noop("Gives evidence"),
            gettext_noop("Logical"),
            gettext_noop("On topic"),
            gettext_noop("Fair"),
            gettext_noop("Well put"),
        ),
        {"rationales": Project.Rationales.STRONG, "overlap": 5},
    ),
    "blank": Template(gettext_noop("Empty"), gettext_noop("No instructions and no reasons yet; you write your own.")),
}


def create_project(
    *, owner: User | None, name: str, description: str = "", template: str = "everyday", slug: str = ""
) -> Project:
    """A new project with ``owner`` as its owner. Without ``slug`` one is made of the name and kept unique by a number.

    Without ``owner``, as from the command line, only superusers see it until somebody is made one.

    Raises ``Invalid`` with ``fields``, and ``Conflict`` where the ``slug`` asked for is taken.
    """
    fields = {
        "name": "" if name.strip() else _("A project needs a name."),
        "description": text_problem(description, limit=MAX_DESCRIPTION),
        "template": ""
        if template in TEMPLATES
        else _("“%(template)s” is not one of %(known)s.") % {"template": template, "known": ", ".join(TEMPLATES)},
        "slug": _slug_problem(slug),
    }
    fields["name"] = fields["name"] or text_problem(name, limit=MAX_NAME)
    if wrong := {field: problem for field, problem in fields.items() if problem}:
        raise Invalid(_("The project can’t be made so."), fields=wrong)
    for candidate in [slug] if slug else _slugs(name):
        if project := _try(owner, candidate, name.strip(), description.strip(), TEMPLATES[template]):
            return project
    raise Conflict(_("There is a project with the address “%(slug)s” already.") % {"slug": slug or slugify(name)})


def _try(owner: User | None, slug: str, name: str, description: str, template: Template) -> Project | None:
    """None where the slug is taken; the database says so, also to two who want it at once."""
    try:
        with transaction.atomic():
            project = Project.objects.create(
                slug=slug,
                name=name,
                description=description,
                instructions=_(template.instructions),
                reason_tags=template.reason_tags,
                **template.values,
            )
            if owner:
                Membership.objects.create(project=project, user=owner, role=Role.OWNER)
            record(project=project, by=owner, what="project made", name=name)
    except IntegrityError:
        if Project.objects.filter(slug=slug).exists():
            return None
        raise
    return project


def _slugs(name: str) -> list[str]:
    """``arguments``, ``arguments-2``, ``arguments-3`` …"""
    base = slugify(name)[: MAX_SLUG - 4].strip("-") or "project"
    numbered = [f"{base}-{n}" for n in range(2, _TRIES)]
    return numbered if base in RESERVED else [base, *numbered]


def _slug_problem(slug: str) -> str:
    if not slug:
        return ""
    if len(slug) > MAX_SLUG or slugify(slug) != slug:
        return _("“%(slug)s” is not an address: up to %(max_slug)s small letters, digits and hyphens.") % {
            "slug": slug[:MAX_SLUG],
            "max_slug": MAX_SLUG,
        }
    return _("“%(slug)s” is reserved.") % {"slug": slug} if slug in RESERVED else ""
