"""Which of a project's judgments a snapshot holds, where it does not hold all that models may learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from annotator.errors import Invalid
from annotator.models import Judgment

Simulated = Literal["include", "exclude", "only"]
DropOrKeep = Literal["drop", "keep"]

DROP_OR_KEEP: tuple[str, ...] = get_args(DropOrKeep)

CHOICES: dict[str, tuple[str, ...]] = {
    "simulated": get_args(Simulated),
    "failed_checks": DROP_OR_KEEP,
    "repeats": DROP_OR_KEEP,
}
LISTS = ("annotators", "topics", "rounds")
MOMENTS = ("judged_from", "judged_before")
MOST_LISTED = 1_000
ROUND = "policy_round"
"""Under which name ``Response.about`` has the number of the round that a policy wrote it in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotFilters:
    """Raises ``Invalid``. As it is without arguments, a snapshot holds everything that models may learn from.

    simulated: programs that judge. failed_checks: annotators whom their checks have left out. repeats: hidden second looks.
    annotators: only these, by their references. topics: only these. rounds: only pairs with a response that was written in these
    rounds of policies, by their numbers. judged_from, judged_before: only what was judged at or
    after the one and before the other.
    """

    simulated: Simulated = "include"
    failed_checks: DropOrKeep = "drop"
    repeats: DropOrKeep = "keep"
    annotators: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    rounds: tuple[str, ...] = ()
    judged_from: datetime | None = None
    judged_before: datetime | None = None

    def __post_init__(self) -> None:
        wrong = {
            name: _("“%(value)s” is not one of %(known)s.")
            % {"value": str(getattr(self, name))[:40], "known": ", ".join(allowed)}
            for name, allowed in CHOICES.items()
            if getattr(self, name) not in allowed
        }
        for name in LISTS:
            if len(getattr(self, name)) > MOST_LISTED:
                wrong[name] = _("Expected at most %(most)s names.") % {"most": f"{MOST_LISTED:,}"}
            elif any("\x00" in each for each in getattr(self, name)):
                wrong[name] = _("A name holds a character that no name may hold.")
        if self.judged_from and self.judged_before and self.judged_from >= self.judged_before:
            wrong["judged_before"] = _("Expected a moment after judged_from.")
        if wrong:
            raise Invalid(" ".join(f"{name}: {why}" for name, why in wrong.items()), fields=wrong)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> SnapshotFilters:
        """From texts and lists of texts, as a row, a form or a command line has them. Raises ``Invalid``, also for unknown names."""
        known = [each.name for each in fields(cls)]
        if unknown := sorted(set(given) - set(known)):
            raise Invalid(
                _("There is no filter “%(name)s”.") % {"name": unknown[0]},
                fields={unknown[0]: _("Unknown; known are %(known)s.") % {"known": ", ".join(known)}},
            )
        values: dict[str, Any] = dict(given)
        for name in LISTS:
            if name in values:
                values[name] = _names(name, values[name])
        for name in MOMENTS:
            if isinstance(values.get(name), str):
                values[name] = moment(values[name], name) if values[name] else None
        return cls(**values)

    def as_json(self) -> dict[str, Any]:
        """What differs from holding everything, as it is stored and shown; ``read`` takes it back."""
        usual = SnapshotFilters()
        chosen = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: value.isoformat() if isinstance(value, datetime) else [*value] if isinstance(value, tuple) else value
            for name, value in chosen.items()
            if value != getattr(usual, name)
        }

    def of(self, rows: QuerySet[Judgment]) -> QuerySet[Judgment]:
        """The rows that pass; annotators whom checks have left out are the caller's to see to."""
        if self.simulated != "include":
            rows = rows.filter(annotator__simulated=self.simulated == "only")
        if self.repeats == "drop":
            rows = rows.filter(occasion=0)
        if self.annotators:
            rows = rows.filter(annotator__ref__in=self.annotators)
        if self.topics:
            of_topics = Q(pair__prompt__topic__in=self.topics) | Q(lineup__prompt__topic__in=self.topics)
            rows = rows.filter(of_topics)
        if self.rounds:
            written = [int(each) for each in self.rounds if each.isascii() and each.isdigit() and len(each) < 10]
            of_a, of_b = (f"pair__response_{side}__about__{ROUND}__in" for side in "ab")
            rows = rows.filter(Q(**{of_a: written}) | Q(**{of_b: written}))
        if self.judged_from:
            rows = rows.filter(judged_at__gte=self.judged_from)
        if self.judged_before:
            rows = rows.filter(judged_at__lt=self.judged_before)
        return rows


def moment(given: str, name: str) -> datetime:
    """A moment with its time zone, as ``2026-01-02T03:04:05Z``. Raises ``Invalid``."""
    try:
        found = parse_datetime(given.strip())
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        expected = _("Expected a date and time with its zone, such as 2026-01-02T03:04:05Z.")
        known = {"name": name, "given": given[:40], "expected": expected}
        raise Invalid(_("%(name)s is “%(given)s”. %(expected)s") % known, fields={name: expected})
    return found.astimezone(UTC)


def _names(name: str, given: object) -> tuple[str, ...]:
    listed = given.split(",") if isinstance(given, str) else given
    if not isinstance(listed, list | tuple) or not all(isinstance(each, str) for each in listed):
        raise Invalid(_("%(name)s is a list of texts.") % {"name": name}, fields={name: _("Expected a list of texts.")})
    return tuple(dict.fromkeys(each.strip() for each in listed if each.strip()))
