"""Whose rewards are asked for: one person, everybody, several people, a population of annotators or of prototypes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from django.utils.translation import gettext as _

from annotator.access import Access
from annotator.errors import Forbidden, Invalid, NotFound
from annotator.models import Annotator
from attune.rewards.aggregates import Across, HasPrototypes
from attune.rewards.base import Comparison, Latent
from personalization.items import load
from personalization.latents import Person, adapt_with, find_people, find_person_by_ref
from training.serving import ServedVersion

Over = Literal["annotators", "prototypes", "users"]
MOST_VOICES = 10_000
NO_GROUP = "(none)"


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and what they are in the project: annotators ask for themselves and for everybody only."""

    access: Access
    user_id: int

    @property
    def project_id(self) -> int:
        return self.access.project.pk


@dataclass(frozen=True, slots=True)
class Voice:
    """A latent that speaks for somebody; ``name`` is an annotator's reference or a prototype, None for everybody."""

    name: str | None
    latent: Latent
    annotator_id: int | None = None
    simulated: bool = False
    groups: tuple[str, ...] = ()

    @property
    def n_judgments(self) -> int:
        return self.latent.n


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Many voices as one: ``annotators`` who have judged, named ``users``, or the model's ``prototypes``.

    ``how`` puts their rewards together. Groups are named lists of references, or the values of ``group_by``, a name in
    what the project keeps about its annotators. ``simulated`` False leaves simulated annotators out, True all others.
    """

    over: Over = "annotators"
    users: tuple[str, ...] = ()
    how: Across = "mean"
    group_by: str = ""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    simulated: bool | None = None


def everybody(served: ServedVersion) -> Voice:
    """What is expected of somebody of whom nothing is known."""
    return Voice(None, load(served).prior())


def one_voice(*, asker: Asker, served: ServedVersion, user: str | None, inline: Sequence[Comparison] = ()) -> Voice:
    """The voice of an annotator, of everybody (None), or of somebody new who comes with judgments of their own.

    Raises ``NotFound`` for an unknown reference without judgments, ``Forbidden`` where the asker may not ask for them.
    """
    if user is None:
        voice = everybody(served)
        return replace(voice, latent=adapt_with(annotator_id=None, served=served, inline=inline)) if inline else voice
    person = find_person_by_ref(served=served, project_id=asker.project_id, ref=user)
    check_may_ask(asker, person)
    if person is None and not inline:
        raise NotFound(_("There is no annotator “%(ref)s” in this project.") % {"ref": user})
    if person is None:
        return Voice(user, adapt_with(annotator_id=None, served=served, inline=inline))
    if inline:
        return replace(_of(person), latent=adapt_with(annotator_id=person.id, served=served, inline=inline))
    return _of(person)


def voices_called(*, asker: Asker, served: ServedVersion, users: Iterable[str | None]) -> dict[str | None, Voice]:
    """Voices by reference; None is everybody. One query for all of them, and one more for each that is out of date.

    Raises as ``one_voice``, naming the first that is not there.
    """
    wanted = list(dict.fromkeys(users))
    refs = [ref for ref in wanted if ref is not None]
    found = {each.ref: each for each in find_people(served=served, project_id=asker.project_id, refs=refs)}
    voices: dict[str | None, Voice] = {None: everybody(served)} if None in wanted else {}
    for ref in refs:
        person = found.get(ref)
        check_may_ask(asker, person)
        if person is None:
            raise NotFound(_("There is no annotator “%(ref)s” in this project.") % {"ref": ref})
        voices[ref] = _of(person)
    return voices


def voices_of(*, asker: Asker, served: ServedVersion, population: Population) -> list[Voice]:
    """The voices of a population, at least one. For owners and viewers: it tells of people one by one.

    Raises ``Forbidden``, ``NotFound`` for an unknown user, and ``Invalid`` where nobody is left or there are too many.
    """
    if not asker.access.reads:
        raise Forbidden(_("Only owners and viewers can ask for a population’s rewards."))
    if population.over == "prototypes":
        return _prototypes(served)
    if population.over == "users":
        found = voices_called(asker=asker, served=served, users=population.users)
        voices = [voice for voice in found.values() if voice.name is not None]
    else:
        people = find_people(served=served, project_id=asker.project_id, most=MOST_VOICES + 1)
        voices = [_of(person) for person in people]
    if population.simulated is not None:
        voices = [voice for voice in voices if voice.simulated == population.simulated]
    if not voices:
        raise Invalid(_("Nobody is in this population."), fields={"population": _("holds nobody who has judged")})
    if len(voices) > MOST_VOICES:
        most = {"most": f"{MOST_VOICES:,}"}
        raise Invalid(
            _("The population has more than %(most)s people.") % most,
            fields={"population": _("holds more than %(most)s people; name some of them as users") % most},
        )
    return _grouped(voices, asker, population)


def check_may_ask(asker: Asker, person: Person | None) -> None:
    """Raises ``Forbidden`` for an annotator who asks for somebody else, whether or not there is such a person."""
    if not asker.access.reads and (person is None or person.user_id != asker.user_id):
        raise Forbidden(_("Annotators can ask for their own rewards and for everybody’s, not for those of others."))


def _of(person: Person) -> Voice:
    return Voice(person.ref, person.latent, person.id, person.simulated)


def _prototypes(served: ServedVersion) -> list[Voice]:
    model = load(served)
    if not isinstance(model, HasPrototypes):
        raise Invalid(
            _("%(model)s has no prototypes.") % {"model": served.label},
            fields={
                "population.over": _("is “prototypes”, and %(model)s has none; expected annotators or users")
                % {"model": served.label}
            },
        )
    return [Voice(f"prototype {number}", latent) for number, latent in enumerate(model.prototypes(), 1)]


def _grouped(voices: list[Voice], asker: Asker, population: Population) -> list[Voice]:
    if population.groups:
        of: dict[str, list[str]] = {}
        for name, refs in population.groups.items():
            for ref in refs:
                of.setdefault(ref, []).append(name)
        if unknown := [ref for ref in of if ref not in {voice.name for voice in voices}]:
            raise NotFound(_("There is no annotator “%(ref)s” in this population.") % {"ref": unknown[0]})
        return [replace(voice, groups=tuple(of.get(voice.name or "", ()))) for voice in voices]
    if population.group_by:
        rows = Annotator.objects.filter(project=asker.project_id, about__has_key=population.group_by)
        values = {ref: about[population.group_by] for ref, about in rows.values_list("ref", "about")}
        return [replace(voice, groups=(str(values.get(voice.name or "", NO_GROUP)),)) for voice in voices]
    return voices
