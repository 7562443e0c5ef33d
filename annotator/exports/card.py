"""A dataset's card: who judged, how, how far they agreed, what was decided, and what it is not good for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Max, Min, Q

from annotator.exports.dataset_columns import COLUMNS, Column
from annotator.exports.dataset_options import DatasetOptions
from annotator.exports.options import Tally
from annotator.models import HINDSIGHT, Annotator, Judgment, Project, QualityReport, Response

if TYPE_CHECKING:
    from annotator.exports.datasets import DataFile

DECISIONS = {
    "form": "Form of the rows",
    "ties": "Ties",
    "both_good": "“Both good”",
    "both_bad": "“Both bad”",
    "flagged": "Pairs that somebody flagged",
    "repeats": "Hidden second looks",
    "hindsight": "Judged again once the consequences were shown",
    "people": "Annotators",
    "failed_checks": "Annotators whose checks failed",
    "simulated": "Simulated annotators",
    "split": "Split by",
    "held_out": "Share held out, for each of validation and test",
    "names": "Annotators are called by",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the card and the Croissant metadata say."""

    project: Project
    options: DatasetOptions
    tally: Tally
    columns: tuple[Column, ...]
    people: int
    simulated: int
    judgments: int
    first: datetime | None
    last: datetime | None
    quality: Mapping[str, Any]
    pictures: int
    """Responses that are pictures."""
    middles: int
    """Responses after which the conversation went on."""
    second_looks: int

    @property
    def name(self) -> str:
        return f"{self.project.slug}-{self.options.form}"

    @property
    def version(self) -> str:
        """Of the data, by its last judgment."""
        return self.last.strftime("%Y.%-m.%-d") if self.last else "0.0.0"

    @property
    def published(self) -> str:
        return self.last.date().isoformat() if self.last else "1970-01-01"


def facts_of(project: Project, options: DatasetOptions, tally: Tally) -> Facts:
    """Read once the rows are written."""
    standing = Judgment.objects.filter(project=project, current=True, withdrawn=False).exclude(choice="skip")
    span = standing.aggregate(count=Count("pk"), first=Min("judged_at"), last=Max("judged_at"))
    who = Annotator.objects.filter(project=project, judgments__in=standing).aggregate(
        people=Count("pk", distinct=True, filter=Q(simulated=False)),
        simulated=Count("pk", distinct=True, filter=Q(simulated=True)),
    )
    responses = Response.objects.filter(prompt__project=project)
    report = QualityReport.objects.filter(project=project).defer("aggregates").first()
    return Facts(
        project,
        options,
        tally,
        COLUMNS[options.form],
        who["people"],
        who["simulated"],
        span["count"],
        span["first"],
        span["last"],
        report.body if report else {},
        responses.exclude(picture=None).count(),
        responses.exclude(after=[]).count(),
        standing.filter(occasion=HINDSIGHT).count(),
    )


def card_of(facts: Facts, files: Sequence[DataFile]) -> str:
    """Markdown with the header that `datasets` reads."""
    project = facts.project
    parts = [
        _header(facts, files),
        f"# {_line(project.name)}: {facts.options.form}",
        project.description.strip(),
        _who(facts),
        _how(facts),
        _agreement(facts),
        _decisions(facts),
        _splits(files, facts),
        _columns(facts),
        f"## Licence and source\n\n{project.source_note.strip() or 'Not stated by the owner: ask before you use it.'}",
        _limits(facts),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _header(facts: Facts, files: Sequence[DataFile]) -> str:
    rows = "\n".join(f"  - split: {each.split}\n    path: {each.path}" for each in files)
    return (
        "---\nlicense: other\nlicense_name: see-card\nannotations_creators:\n"
        f"- {'expert-generated' if not facts.simulated else 'machine-generated' if not facts.people else 'mixed'}\n"
        "tags:\n- preferences\n- personalization\n- attune\n"
        f"configs:\n- config_name: default\n  data_files:\n{rows}\n---"
    )


def _who(facts: Facts) -> str:
    simulated = (
        f" and {facts.simulated:,} simulated annotators (programs; marked `simulated`)" if facts.simulated else ""
    )
    when = f", from {facts.first:%Y-%m-%d} to {facts.last:%Y-%m-%d}" if facts.first and facts.last else ""
    return (
        f"## Who judged\n\n{facts.people:,} people{simulated} made {facts.judgments:,} judgments that stand{when}. Nothing is"
        " kept here of who they are: no names, no addresses, no demographics."
    )


def _how(facts: Facts) -> str:
    project = facts.project
    tags = ", ".join(project.tag_labels.values())
    lines = [
        "## How",
        (
            "Each saw two responses to a prompt side by side, the sides drawn at random, without knowing what wrote them, and said"
            " which they would rather have got, from slightly to much better; or that they are about equal, both good or both bad."
        ),
        f"Up to {project.overlap} people were asked about a pair. Reasons in words: {project.get_rationales_display().lower()}."
        + (f" Reason tags: {tags}." if tags else ""),
    ]
    lines += [words for count, words in _beside(facts) if count]
    if project.instructions.strip():
        quoted = "\n".join(f"> {line}" for line in project.instructions.strip().splitlines())
        lines += ["They were told:", quoted]
    return "\n\n".join(lines)


def _beside(facts: Facts) -> list[tuple[int, str]]:
    return [
        (
            facts.pictures,
            (
                f"{facts.pictures:,} of the responses are pictures. Their text is what the owner says that they show, and is all that"
                " these rows and text models see of them; `…_picture` names the file, which is not part of this dataset. The"
                " owner’s export of judgments as a zip holds the files."
            ),
        ),
        (
            facts.middles,
            (
                f"{facts.middles:,} of the responses sit in the middle of a conversation: annotators also saw how it went on"
                " (`…_after`)."
            ),
        ),
        (
            facts.second_looks,
            (
                f"{facts.second_looks:,} judgments are second looks, given by the same person after what came of following each"
                " response was shown; which of the two are here is among the decisions."
            ),
        ),
    ]


def _agreement(facts: Facts) -> str:
    lines = []
    for group in ("people", "simulated"):
        found = (facts.quality.get(group) or {}).get("nominal") or {}
        for name, words in (("raw", "chance that two of them say the same of a pair"), ("alpha", "Krippendorff’s α")):
            if interval := found.get(name):
                low, high = interval["low"], interval["high"]
                lines.append(f"- {group}: {words} {interval['estimate']:.2f} (95 % interval {low:.2f} to {high:.2f})")
    if not lines:
        return "## Agreement\n\nNot computed, or no pair was judged by two of them."
    note = "Low agreement is no fault here: people differ, and these data are meant to show how."
    return "## Agreement\n\n" + "\n".join(lines) + f"\n\n{note}"


def _decisions(facts: Facts) -> str:
    chosen = facts.options.chosen
    rows = "\n".join(f"| {words} | {chosen[name]} |" for name, words in DECISIONS.items())
    left = "\n".join(f"- {count:,} {reason}" for reason, count in sorted(facts.tally.left_out.items()))
    return f"## Decisions\n\n| | |\n|---|---|\n{rows}\n\nLeft out by them:\n\n{left or '- nothing'}"


def _splits(files: Sequence[DataFile], facts: Facts) -> str:
    rows = "\n".join(f"| {each.split} | {each.rows:,} | {each.path} | `{each.sha256}` |" for each in files)
    by = facts.options.split
    how = {
        "none": "There is one split.",
        "annotator": "Splits are whole annotators: nobody is in two of them.",
        "prompt": "Splits are whole prompts: no text of a prompt is in two of them.",
        "time": "Splits are by time: validation and test are what was judged last.",
    }[by]
    return f"## Splits\n\n{how}\n\n| split | rows | file | sha256 |\n|---|---|---|---|\n{rows}"


def _columns(facts: Facts) -> str:
    rows = "\n".join(f"| `{column.name}` | {column.type} | {column.about} |" for column in facts.columns)
    return f"## Columns\n\n| | | |\n|---|---|---|\n{rows}"


def _limits(facts: Facts) -> str:
    lines = [
        "These are tastes, not truths: a preferred response need not be right.",
        (
            "What was asked was chosen in part by a model that looked for what it would learn most from, so pairs are no random"
            " sample of the responses."
        ),
        "Prompts and responses may hold what their authors put into them; nobody has removed personal data from them.",
    ]
    if facts.options.names == "hashed":
        lines.append(
            "Pseudonyms are of this dataset alone; who has the texts of somebody’s reasons may still know them."
        )
    if facts.simulated:
        lines.append(
            "Simulated annotators follow rules that somebody wrote; what works on them may not work on people."
        )
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _line(text: str) -> str:
    return " ".join(text.split())
