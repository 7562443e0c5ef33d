"""What the judging page shows, put together from what is dealt and what was said."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotator.errors import Invalid
from annotator.models import Judgment, Project
from annotator.selectors.progress import GuessRecord, Progress
from annotator.services.answers import SIDES, Answer, Choice, Side, Tag, on_scale, plausible_seconds
from annotator.services.dealing import Dealt

SIDE_NAMES: dict[Side, str] = {"left": "a", "right": "b"}
KEYS = {"a": "QWERT", "b": "YUIOP"}


@dataclass(frozen=True, slots=True)
class Shown:
    """One response as the page shows it."""

    side: str
    text: str
    length: str
    """In words."""

    @classmethod
    def of(cls, side: str, text: str) -> Shown:
        count = len(text.split())
        return cls(side, text, ngettext("%(n)s word", "%(n)s words", count) % {"n": count})


@dataclass(frozen=True, slots=True)
class Task:
    """The pair on the page."""

    assignment_key: uuid.UUID
    earlier: list[dict[str, Any]]
    question: str
    shown: tuple[Shown, Shown]

    @classmethod
    def of(cls, dealt: Dealt) -> Task:
        *earlier, last = dealt.messages
        shown = (Shown.of("a", dealt.left.text), Shown.of("b", dealt.right.text))
        return cls(dealt.key, earlier, last["content"], shown)


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason tag on one side, with its key and whether it is pressed."""

    key: str
    label: str
    cap: str
    good: bool
    bad: bool

    @property
    def code(self) -> str:
        return f"Key{self.cap}" if self.cap else ""


@dataclass(frozen=True, slots=True)
class ReasonGroup:
    """The reason tags of one side."""

    side: str
    reasons: list[Reason]


@dataclass(frozen=True, slots=True)
class Step:
    """One of the seven steps."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Told:
    """What the model had guessed, said after the judgment."""

    said: str
    record: str


@dataclass(slots=True)
class JudgePage:
    """Everything the template reads as ``page``."""

    project: Project
    progress: Progress
    task: Task | None = None
    values: dict[str, Any] = field(default_factory=dict)
    told: Told | None = None
    note: str = ""
    note_kind: str = ""
    client_key: uuid.UUID = field(default_factory=uuid.uuid4)
    undo_key: uuid.UUID = field(default_factory=uuid.uuid4)

    @property
    def can_undo(self) -> bool:
        return self.progress.today > 0

    @property
    def controls_key(self) -> str:
        """Equal for pages whose controls, with nothing entered, are the same."""
        return json.dumps([self.project.rationales, self.project.reason_tags])

    @property
    def asks_why(self) -> bool:
        return self.project.rationales != Project.Rationales.OFF

    @property
    def why_needed(self) -> str:
        return {
            Project.Rationales.REQUIRED: _("(needed)"),
            Project.Rationales.STRONG: _("(needed when one is much better)"),
        }.get(Project.Rationales(self.project.rationales), "")

    @property
    def steps(self) -> list[Step]:
        labels = (
            _("A much better"),
            _("A better"),
            _("A slightly better"),
            _("About equal"),
            _("B slightly better"),
            _("B better"),
            _("B much better"),
        )
        return [Step(str(n), label) for n, label in enumerate(labels, start=1)]

    @property
    def reasons(self) -> list[ReasonGroup]:
        return [ReasonGroup(side, self._reasons_of(side)) for side in SIDE_NAMES.values()]

    def _reasons_of(self, side: str) -> list[Reason]:
        good, bad = self.values.get(f"{side}_good", ()), self.values.get(f"{side}_bad", ())
        caps = KEYS[side].ljust(len(self.project.tag_labels))
        return [
            Reason(key, label, cap.strip(), key in good, key in bad)
            for (key, label), cap in zip(self.project.tag_labels.items(), caps, strict=False)
        ]

    @property
    def empty_title(self) -> str:
        return _("That was the last pair") if self.progress.total else _("Nothing to judge yet")

    @property
    def empty_text(self) -> str:
        if self.progress.total:
            return _("You have judged every pair that is open to you. New ones will be here when the owner adds them.")
        return _("The project has no pairs that are open to you. Its owner can import prompts with responses.")


def answer_from(form: QueryDict) -> Answer:
    """The submitted form as an answer. Raises ``Invalid`` where a field is not what the page sends."""
    choice, strength = _choice(form)
    return Answer(
        choice=choice,
        strength=strength,
        tags=tuple(_tags(form)),
        text=form.get("rationale", "").strip(),
        seconds=_seconds(form.get("seconds", "")),
        page_version=form.get("page_version", ""),
    )


def values_of(answer: Answer) -> dict[str, Any]:
    """An answer as the form's values: the inverse of ``answer_from``."""
    values: dict[str, Any] = {"rationale": answer.text}
    values["position"] = "both_bad" if answer.choice == "both_bad" else str(answer.position or "")
    for side in SIDES:
        for good, name in ((True, "good"), (False, "bad")):
            keys = [tag.tag for tag in answer.tags if tag.side == side and tag.good is good]
            values[f"{SIDE_NAMES[side]}_{name}"] = keys
    return values


def submitted_values(form: QueryDict) -> dict[str, Any]:
    """The form as it was sent, to show it again beside what was wrong with it."""
    lists = {f"{side}_{sign}": form.getlist(f"{side}_{sign}") for side in "ab" for sign in ("good", "bad")}
    return {"position": form.get("position", ""), "rationale": form.get("rationale", ""), **lists}


def told_of(judgment: Judgment, project: Project, record: GuessRecord) -> Told | None:
    """What the model had guessed of a decided judgment, in the letters of the screen; None if it had guessed nothing."""
    if judgment.guess is None or not judgment.decided or not project.show_guess:
        return None
    guessed_a = judgment.guess >= 0.5
    sure = judgment.guess if guessed_a else 1 - judgment.guess
    said = _("Your model guessed %(side)s (%(sure)d %%)") % {
        "side": "A" if guessed_a != judgment.swapped else "B",
        "sure": round(100 * sure),
    }
    right = guessed_a == (judgment.choice == Judgment.Choice.A)
    agreed = _("and so did you") if right else _("and you chose the other")
    counted = _("right %(right)d of the last %(of)d") % {"right": record.right, "of": record.of}
    return Told(f"{said}, {agreed}", f"· {counted}")


def _choice(form: QueryDict) -> tuple[Choice, int | None]:
    if form.get("skip"):
        return "skip", None
    position = form.get("position", "")
    if position == "both_bad":
        return "both_bad", None
    if not position.isdecimal() or len(position) > 1:
        problem = _("Choose one of the seven steps, or “both bad”.")
        raise Invalid(problem, fields={"position": problem})
    return on_scale(int(position))


def _tags(form: QueryDict) -> list[Tag]:
    return [
        Tag(key, side, sign == "good")
        for side, letter in SIDE_NAMES.items()
        for sign in ("good", "bad")
        for key in form.getlist(f"{letter}_{sign}")
    ]


def _seconds(text: str) -> float | None:
    try:
        return plausible_seconds(float(text)) if text else None
    except ValueError:
        return None
