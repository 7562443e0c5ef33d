"""What the judging page shows, put together from what is dealt and what was said."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from annotator.keys import LETTERS, REASONS, keys_by_kind, keys_of
from annotator.markdown import render_markdown
from annotator.models import HINDSIGHT, Aspect, Flag, Judgment, Project, User
from annotator.selectors.progress import Progress
from annotator.services import asking
from annotator.services.aspects import aspects_of
from annotator.services.leases import mark_of
from annotator.services.marks import Side
from annotator.views.content import Content, Turns, shared_after
from annotator.views.judge_form import SKIP_REASONS, Values, marks_on, side_names, values_of
from annotator.views.judge_told import Told
from annotator.views.judge_words import judge_words
from attune.pacing import may_ask


@dataclass(frozen=True, slots=True)
class Shown:
    """One response as the page shows it."""

    side: str
    content: Content
    marks: tuple[str, ...] = ()
    """Its marked stretches, as fields of the form."""
    place: str = ""
    """In a ranking, as entered."""
    action: str = ""
    """What picks it in a ranking."""

    @classmethod
    def of(cls, side: str, content: Content, values: Values) -> Shown:
        letter = LETTERS.find(side.upper())
        action = f"card{letter + 1}" if letter >= 0 else ""
        return cls(side, content, marks_on(side, values), values.get(f"rank:{side}", ""), action)


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be judged on the page."""

    kind: str
    assignment_key: uuid.UUID
    earlier: list[dict[str, Any]]
    question: SafeString
    """What is answered, as HTML."""
    shown: tuple[Shown, ...]
    held: str = ""
    """How the page names it among those that it holds."""
    draft_version: str = ""
    hindsight: bool = False
    """A second look: what came of following each response is shown."""
    waits: bool = False
    """A second look may follow: the page waits for the server's word before it shows another pair."""

    @classmethod
    def showing(
        cls,
        kind: str,
        key: uuid.UUID,
        messages: list[dict[str, Any]],
        contents: Mapping[Side, Content],
        values: Values,
        *,
        hindsight: bool = False,
    ) -> Task:
        """Responses to a conversation in the order of the screen, with what is entered."""
        *earlier, last = messages
        names = side_names(kind, len(contents))
        shown = tuple(Shown.of(names[side], content, values) for side, content in contents.items())
        return cls(kind, key, earlier, render_markdown(last["content"]), shown, hindsight=hindsight)

    @property
    def places(self) -> list[str]:
        """The places of a ranking."""
        return [str(n) for n in range(1, len(self.shown) + 1)]

    @property
    def last_place(self) -> str:
        return str(len(self.shown))

    @property
    def pictures(self) -> bool:
        return any(each.content.picture for each in self.shown)

    @property
    def after(self) -> Turns:
        """How the conversation went on after each response, where it is the same."""
        return shared_after([each.content for each in self.shown])


def shown_task(dealt: asking.Task, values: Values, project: Project) -> Task:
    """What was dealt, as the page shows it."""
    contents = {side: Content.of(project.slug, shown) for side, shown in dealt.shown.items()}
    hindsight = dealt.occasion == HINDSIGHT
    task = Task.showing(dealt.kind, dealt.key, dealt.messages, contents, values, hindsight=hindsight)
    asked = project.hindsight_rate and all(each.consequence for each in contents.values())
    return replace(
        task,
        held=mark_of(dealt.key, dealt.number),
        draft_version=dealt.draft.version if dealt.draft else "",
        waits=bool(asked) and dealt.occasion == 0,
    )


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
    stopped: str = ""
    """Why nothing is asked of the person any more, though there may be something."""
    revises: Judgment | None = None
    """The judgment that is edited; None on the page where pairs are judged."""
    client_key: uuid.UUID = field(default_factory=uuid.uuid4)
    undo_key: uuid.UUID = field(default_factory=uuid.uuid4)

    @property
    def can_undo(self) -> bool:
        return self.ahead or self.progress.today > 0

    @property
    def may_ask(self) -> bool:
        """It may be time for a question about the person's own taste."""
        return self.project.choosing == Project.Choosing.INFORMATION and may_ask(self.progress.total)

    @property
    def kind(self) -> str:
        return self.task.kind if self.task else Judgment.Kind.PAIR

    @cached_property
    def keys_by_kind(self) -> dict[str, dict[str, str]]:
        """Every action's key where it has a meaning."""
        return keys_by_kind(self.user.keys)

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
        scale = [project.scale, project.scale_low, project.scale_high, project.critique_min]
        return json.dumps([project.slug, self.kind, *scale, *shown])

    @property
    def acts_key(self) -> str:
        """The same for the acts below them."""
        return json.dumps([self.can_undo, self.kind, self.user.keys])

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
    def scale(self) -> list[Option]:
        """The places of the rating scale; the ends with what they mean."""
        low, high = self.project.scale_ends
        ends = {low: self.project.scale_low or _("worst"), high: self.project.scale_high or _("best")}
        return [Option(str(n), ends.get(n, ""), self.keys[f"rate{n}"]) for n in range(low, high + 1)]

    @property
    def critique_needed(self) -> str:
        least = self.project.critique_min
        return _("at least %(n)d characters") % {"n": least} if least else self.why_needed

    @property
    def title(self) -> str:
        """What is asked, in one line."""
        if not self.task:
            return _("Nothing to judge")
        return {
            Judgment.Kind.PAIR: _("Which response is better?"),
            Judgment.Kind.RANKING: _("Put the responses in order"),
            Judgment.Kind.RATING: _("Rate the response"),
        }[Judgment.Kind(self.kind)]

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
        sides = [shown.side for shown in self.task.shown] if self.task else []
        return [ReasonGroup(side, self._reasons_of(side)) for side in sides]

    def _reasons_of(self, side: str) -> list[Reason]:
        good, bad = self.values.get(f"{side}_good", ()), self.values.get(f"{side}_bad", ())
        signs = self.project.tag_signs
        reasons = []
        for n, (key, label) in enumerate(self.project.tag_labels.items(), start=1):
            keyed = {Judgment.Kind.PAIR: side, Judgment.Kind.RATING: "a"}.get(Judgment.Kind(self.kind), "")
            action = f"{keyed}{n}" if keyed and n <= REASONS else ""
            cap = self.keys[action] if action else ""
            reasons.append(Reason(key, label, action, cap, signs[key], key in good, key in bad))
        return reasons

    @property
    def aspects(self) -> list[AspectShown]:
        """Of a response that is rated, those that can be said of one."""
        asked = aspects_of(self.project)
        if self.kind == Judgment.Kind.RATING:
            asked = [each for each in asked if each.way == Aspect.Way.RATE]
        return [AspectShown(each.key, each.name, self._scales_of(each)) for each in asked]

    def _scales_of(self, aspect: Aspect) -> list[AspectScale]:
        name, none = f"aspect:{aspect.key}", Option("na", _("n/a"))
        if aspect.way == Aspect.Way.COMPARE:
            options = [Option("a", "A"), Option("tie", "="), Option("b", "B"), none]
            return [AspectScale(name, "", options, self.values.get(name, ""))]
        steps = [Option(str(n), str(n)) for n in range(1, aspect.steps + 1)]
        return [
            AspectScale(f"{name}:{side}", side, [*steps, none], self.values.get(f"{name}:{side}", ""))
            for side in ([shown.side for shown in self.task.shown] if self.task else [])
        ]

    @property
    def skip_reasons(self) -> list[Option]:
        reasons = [(value, str(label)) for value, label in SKIP_REASONS.items()]
        if self.kind == Judgment.Kind.RATING:
            reasons = [(value, label) for value, label in reasons if value != "incomparable"]
        return [Option(value, label, str(n)) for n, (value, label) in enumerate(reasons, start=1)]

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
        prompt = Option("prompt", _("the prompt"))
        if self.kind == Judgment.Kind.RATING:
            return [Option("both", _("the response")), prompt]
        sides = [Option(shown.side, shown.side.upper()) for shown in self.task.shown] if self.task else []
        return [*sides, Option("both", _("both") if self.kind == Judgment.Kind.PAIR else _("all")), prompt]

    @property
    def flag_about(self) -> str:
        return str(self.values.get("flag_about") or "both")

    @property
    def empty_title(self) -> str:
        if self.stopped:
            return _("Nothing is asked of you now")
        return _("That was the last one") if self.progress.total else _("Nothing to judge yet")

    @property
    def empty_text(self) -> str:
        if self.stopped:
            return self.stopped
        if self.progress.total:
            return _("You have judged all that is open to you. More will be here when the owner adds it.")
        return _("The project has nothing that is open to you. Its owner can import prompts with responses.")


def entered(dealt: asking.Task) -> Values:
    """What the form of something dealt holds: a draft, or what was said before an undo."""
    if dealt.draft:
        return dealt.draft.values
    return values_of(dealt.answer, {side: shown.text for side, shown in dealt.shown.items()}) if dealt.answer else {}
