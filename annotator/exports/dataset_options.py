"""What a dataset for trainers is asked for: its form, and an explicit decision on everything that is not a plain preference."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from django.conf import settings
from django.utils.translation import gettext as _

from annotator.errors import Invalid
from annotator.models import Project

Form = Literal[
    "preference",
    "implicit",
    "kto",
    "prompts",
    "ranked",
    "sft",
    "reward",
    "rationales",
    "spans",
    "contexts",
    "label_studio",
    "argilla",
]
Type = Literal["jsonl", "json", "csv", "parquet", "folder"]
Ties = Literal["drop", "both"]
Both = Literal["drop", "tie"]
Flagged = Literal["drop", "keep"]
Repeats = Literal["drop", "keep"]
Looks = Literal["first", "hindsight", "both"]
People = Literal["training", "all"]
Checks = Literal["drop", "keep"]
Simulated = Literal["include", "exclude", "only"]
SplitBy = Literal["none", "annotator", "prompt", "time"]
Names = Literal["hashed", "references"]

FORMS: tuple[Form, ...] = get_args(Form)
CHOICES: dict[str, tuple[str, ...]] = {
    "form": FORMS,
    "type": get_args(Type),
    "ties": get_args(Ties),
    "both_good": get_args(Both),
    "both_bad": get_args(Both),
    "flagged": get_args(Flagged),
    "repeats": get_args(Repeats),
    "hindsight": get_args(Looks),
    "people": get_args(People),
    "failed_checks": get_args(Checks),
    "simulated": get_args(Simulated),
    "split": get_args(SplitBy),
    "names": get_args(Names),
}
ARRAYS = ("label_studio", "argilla")
"""Forms that others read as one JSON array."""
MAX_SALT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetOptions:
    """A dataset. Every choice is written into its card. Raises ``Invalid``.

    ties: leave them out, or give each in both directions, marked. both_good, both_bad: leave them out, or
    treat them as ties; in ``kto`` both responses are then desirable, or undesirable. flagged: judgments of pairs that
    somebody flagged for the owner. repeats: hidden second looks. hindsight: of pairs that were judged again
    once the consequences were shown, the first judgment, the second, or both. people: those who let their judgments go into
    training, or all. failed_checks: annotators whom their checks have dropped. split: whole annotators, whole prompts, or
    a moment in time apart, ``held_out`` of them (0 to 0.5) each for validation and test. names: annotators by a hash that
    is salted with ``salt`` (the project's own for this form unless given), so that two exports can't be joined, or by their
    references.
    """

    form: Form = "preference"
    type: Type = "jsonl"
    ties: Ties = "drop"
    both_good: Both = "drop"
    both_bad: Both = "drop"
    flagged: Flagged = "drop"
    repeats: Repeats = "drop"
    hindsight: Looks = "first"
    people: People = "training"
    failed_checks: Checks = "drop"
    simulated: Simulated = "include"
    split: SplitBy = "none"
    held_out: float = 0.1
    names: Names = "hashed"
    salt: str = ""

    def __post_init__(self) -> None:
        wrong = {
            name: _("“%(value)s” is not one of %(known)s.")
            % {"value": str(getattr(self, name))[:40], "known": ", ".join(allowed)}
            for name, allowed in CHOICES.items()
            if getattr(self, name) not in allowed
        }
        if not 0 < self.held_out <= 0.5:
            wrong["held_out"] = _("%(value)s is not above 0 and at most 0.5.") % {"value": self.held_out}
        if len(self.salt) > MAX_SALT or "\x00" in self.salt:
            wrong["salt"] = _("Expected a text of at most %(most)s characters.") % {"most": MAX_SALT}
        if self.type == "json" and self.form not in ARRAYS:
            known = {"forms": _(" and ").join(ARRAYS)}
            wrong.setdefault("type", _("json is for %(forms)s; this form has jsonl, csv, parquet and folder.") % known)
        if self.form in ARRAYS and self.type not in ("json", "jsonl"):
            wrong.setdefault("type", _("This form has json and jsonl."))
        if wrong:
            raise Invalid(" ".join(f"{name}: {why}" for name, why in wrong.items()), fields=wrong)

    @classmethod
    def read(cls, given: dict[str, Any]) -> DatasetOptions:
        """From texts, as an address or a command line has them. Raises ``Invalid`` for unknown names, too."""
        known = [each.name for each in fields(cls)]
        if unknown := sorted(set(given) - set(known)):
            raise Invalid(
                _("There is no option “%(name)s”.") % {"name": unknown[0]},
                fields={unknown[0]: _("Unknown; known are %(known)s.") % {"known": ", ".join(known)}},
            )
        values = dict(given)
        if "held_out" in values:
            try:
                values["held_out"] = float(values["held_out"])
            except ValueError:
                raise Invalid(_("held_out is a number."), fields={"held_out": _("Expected a number.")}) from None
        return cls(**values)

    @property
    def chosen(self) -> dict[str, Any]:
        """The decisions, for the card; the salt is nobody's business."""
        return {name: value for name, value in asdict(self).items() if name not in ("salt", "type")}


class Pseudonyms:
    """Annotators' names in one dataset: the same for the same salt, and telling nothing without it."""

    def __init__(self, project: Project, options: DatasetOptions) -> None:
        self._plain = options.names == "references"
        own = f"dataset:{project.pk}:{options.form}:{options.salt}"
        self._key = hmac.new(settings.SECRET_KEY.encode(), own.encode(), hashlib.sha256).digest()
        self._known: dict[str, str] = {}

    def of(self, ref: str) -> str:
        if self._plain:
            return ref
        name = self._known.get(ref)
        if name is None:
            name = self._known[ref] = f"a-{hmac.new(self._key, ref.encode(), hashlib.sha256).hexdigest()[:16]}"
        return name
