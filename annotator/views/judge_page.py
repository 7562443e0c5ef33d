"""What the judging page shows, put together from what is dealt and what was said."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _

from annotator.keys import REASONS, keys_of
from annotator.models import HINDSIGHT, Aspect, Flag, Judgment, Project, User
from annotator.selectors.progress import GuessRecord, Progress
from annotator.services.aspects import aspects_of
from annotator.services.dealing import Dealt
from annotator.services.leases import mark_of
from annotator.views.content import Content, Turns, shared_after
from annotator.views.judge_form import SIDE_NAMES, SKIP_REASONS, Values, marks_on, values_of
from annotator.views.judge_words import judge_words


@dataclass(frozen=True, slots=True)
class Shown:
    """One response as the page shows it."""

    side: str
    content: Content
    marks: tuple[str, ...] = ()
    """Its marked stretches, as fields of the form."""


@dataclass(frozen=True, slots=True)
class Task:
    """The pair on the page."""

    assignment_key: uuid.UUID
    earlier: list[dict[str, Any]]
    question: str
    shown: tuple[Shown, Shown]
    held: str = ""
    """How the page names it among those that it holds."""
    draft_version: str = ""
    hindsight: bool = False
    """A second look: what came of following each response is shown."""
    waits: bool = False
    """A second look may follow: the page waits for the server's word before it shows another pair."""

    @classmethod
    def of(cls, dealt: Dealt, values: Values, project: Project) -> Task:
        left, right = (Content.of(project.slug, each) for each in (dealt.left, dealt.right))
        task = cls.showing(dealt.key, dealt.messages, left, right, values, hindsight=dealt.occasion == HINDSIGHT)
        asked = bool(project.hindsight_rate and left.consequence and right.consequence)
        return replace(
            task,
            held=mark_of(dealt.key, dealt.pair_id),
            draft_version=dealt.draft.version if dealt.draft else "",
            waits=asked and dealt.occasion == 0,
        )

    @classmethod
    def showing(
        cls,
        key: uuid.UUID,
        messages: list[dict[str, Any]],
        left: Content,
        right: Content,
        values: Values,
        *,
        hindsight: bool,
    ) -> Task:
        """Two responses to a conversation, with what is entered."""
        *earlier, last = messages
        sides = (Shown("a", left, marks_on("a", values)), Shown("b", right, marks_on("b", values)))
        return cls(key, earlier, last["content"], sides, hindsight=hindsight)

    @property
    def pictures(self) -> bool:
        return any(each.content.picture for each in self.shown)

    @property
    def after(self) -> Turns:
        """How the conversation went on after either response."""
        return shared_after([each.content for each in self.shown])


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason tag on one side, with the action and key that give it, and whether it is pressed."""

    key: str
    label: str
    action: str
    cap: str
    signs: tuple[bool, ...]
    good: bool
    bad: bool

    @property
    def can_be_good(self) -> bool:
        return True in self.signs

    @property
    def can_be_bad(self) -> bool:
        return False in self.signs


@dataclass(frozen=True, slots=True)
class ReasonGroup:
    """The reason tags of one side."""

    side: str
    reasons: list[Reason]


@dataclass(frozen=True, slots=True)
class Option:
    """Something to choose, by its key."""

    value: str
    label: str
    cap: str = ""


@dataclass(frozen=True, slots=True)
class AspectShown:
    """An aspect with its choices: compared once, or rated for each side."""

    key: str
    name: str
    scales: list[AspectScale]


@dataclass(frozen=True, slots=True)
class AspectScale:
    """One row of choices; ``side`` is empty where the sides are compared."""

    field: str
    side: str
    options: list[Option]
    chosen: str


@dataclass(frozen=True, slots=True)
class Told:
    """What the model had guessed, said after the judgment."""

    said: str
    record: str


@dataclass
class JudgePage:
    """Everything the template reads as ``page``."""

    project: Project
    user: User
    progress: Progress
    task: Task | None = None
    values: Values = field(default_factory=dict)
    told: Told | None = None
    note: str = ""
    note_kind: str = ""
    ahead: bool = False
    """It is asked for before it is shown, while another pair is being judged."""
    revises: Judgment | None = None
    """The judgment that is edited; None on the page where pairs are judged."""
    client_key: uuid.UUID = field(default_factory=uuid.uuid4)
    undo_key: uuid.UUID = field(default_factory=uuid.uuid4)

    @property
    def can_undo(self) -> bool:
        return self.ahead or self.progress.today > 0

    @cached_property
    def keys(self) -> dict[str, str]:
        """Every action's key, as this person has them."""
        return keys_of(self.user.keys)

    @property
    def words(self) -> dict[str, str]:
        """What the page's scripts say."""
        return judge_words()

    @property
    def controls_key(self) -> str:
        """Equal for pages whose controls, with nothing entered, are the same."""
        project = self.project
        aspects = [(aspect.key, aspect.name, aspect.way, aspect.steps) for aspect in aspects_of(project)]
        shown = [project.rationales, project.rationale_min, project.reason_tags, aspects, self.user.keys]
        return json.dumps([project.slug, *shown])

    @property
    def acts_key(self) -> str:
        """The same for the acts below them."""
        return json.dumps([self.can_undo, self.user.keys])

    @property
    def asks_why(self) -> bool:
        return self.project.rationales != Project.Rationales.OFF

    @property
    def why_needed(self) -> str:
        least = self.project.rationale_min
        needed = {
            Project.Rationales.REQUIRED: _("needed"),
            Project.Rationales.STRONG: _("needed when one is much better"),
        }.get(Project.Rationales(self.project.rationales), "")
        if needed and least:
            return _("%(needed)s, %(least)d characters at least") % {"needed": needed, "least": least}
        return needed

    @property
    def steps(self) -> list[Option]:
        labels = (
            _("A much better"),
            _("A better"),
            _("A slightly better"),
            _("About equal"),
            _("B slightly better"),
            _("B better"),
            _("B much better"),
        )
        return [Option(str(n), label, self.keys[f"step{n}"]) for n, label in enumerate(labels, start=1)]

    @property
    def reasons(self) -> list[ReasonGroup]:
        return [ReasonGroup(side, self._reasons_of(side)) for side in SIDE_NAMES.values()]

    def _reasons_of(self, side: str) -> list[Reason]:
        good, bad = self.values.get(f"{side}_good", ()), self.values.get(f"{side}_bad", ())
        signs = self.project.tag_signs
        reasons = []
        for n, (key, label) in enumerate(self.project.tag_labels.items(), start=1):
            action = f"{side}{n}" if n <= REASONS else ""
            cap = self.keys[action] if action else ""
            reasons.append(Reason(key, label, action, cap, signs[key], key in good, key in bad))
        return reasons

    @property
    def aspects(self) -> list[AspectShown]:
        return [AspectShown(each.key, each.name, self._scales_of(each)) for each in aspects_of(self.project)]

    def _scales_of(self, aspect: Aspect) -> list[AspectScale]:
        name, none = f"aspect:{aspect.key}", Option("na", _("n/a"))
        if aspect.way == Aspect.Way.COMPARE:
            options = [Option("a", "A"), Option("tie", "="), Option("b", "B"), none]
            return [AspectScale(name, "", options, self.values.get(name, ""))]
        steps = [Option(str(n), str(n)) for n in range(1, aspect.steps + 1)]
        return [
            AspectScale(f"{name}:{side}", side, [*steps, none], self.values.get(f"{name}:{side}", ""))
            for side in SIDE_NAMES.values()
        ]

    @property
    def skip_reasons(self) -> list[Option]:
        return [Option(value, str(label), str(n)) for n, (value, label) in enumerate(SKIP_REASONS.items(), start=1)]

    @property
    def flag_kinds(self) -> list[Option]:
        labels = {
            Flag.Kind.UNSAFE: _("Unsafe: it could hurt somebody"),
            Flag.Kind.BROKEN: _("Broken: cut off, garbled, the wrong language"),
            Flag.Kind.PERSONAL: _("Personal data of a real person"),
            Flag.Kind.OTHER: _("Something else"),
        }
        return [Option(value, label, str(n)) for n, (value, label) in enumerate(labels.items(), start=1)]

    @property
    def flag_abouts(self) -> list[Option]:
        return [Option("a", _("A")), Option("b", _("B")), Option("both", _("both")), Option("prompt", _("the prompt"))]

    @property
    def flag_about(self) -> str:
        return str(self.values.get("flag_about") or "both")

    @property
    def empty_title(self) -> str:
        return _("That was the last pair") if self.progress.total else _("Nothing to judge yet")

    @property
    def empty_text(self) -> str:
        if self.progress.total:
            return _("You have judged every pair that is open to you. New ones will be here when the owner adds them.")
        return _("The project has no pairs that are open to you. Its owner can import prompts with responses.")


def entered(dealt: Dealt) -> Values:
    """What the form of a dealt pair holds: a draft, or what was said before an undo."""
    if dealt.draft:
        return dealt.draft.values
    return values_of(dealt.answer, {"left": dealt.left.text, "right": dealt.right.text}) if dealt.answer else {}


def told_of(judgment: Judgment, project: Project, user: User, record: GuessRecord) -> Told | None:
    """What the model had guessed of a decided judgment, in the letters of the screen; None if it is not to be told."""
    if judgment.guess is None or not judgment.decided or not (project.show_guess and user.show_guess):
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
