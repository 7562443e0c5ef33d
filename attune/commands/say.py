"""`attune say`: let policies answer a prompt. What a worker supervises for the playground, and what can run alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
import orjson

from attune.commands.child import asked_to_stop, ends_in_a_line, sink
from attune.errors import AttuneError
from attune.policies.tiny import TINY


@click.command(name="say")
@click.argument("prompt", default="")
@click.option(
    "--policy",
    "policies",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A policy's folder; may be repeated. The base model answers too.",
)
@click.option(
    "--judgments",
    type=click.Path(exists=True, path_type=Path),
    help="Show judgments of --annotator in the prompt: JSON lines, or a snapshot's folder. For policies trained with shots.",
)
@click.option("--annotator", default="", help="Whose judgments of --judgments are shown, the last ones.")
@click.option("--shots", default=8, show_default=True, help="How many at most.")
@click.option(
    "--direction",
    metavar="POLE=WEIGHT,…",
    help="Such as concise=1,casual=0.5. For the tiny model and policies trained with directions; others answer without.",
)
@click.option(
    "--description",
    default="",
    help="What the reader likes, in words, for policies trained with describe=given. Without it: as --judgments bring or show it.",
)
@click.option("--temperature", default=1.0, show_default=True, help="0 always takes the likeliest token.")
@click.option("--seed", default=0, show_default=True)
@click.option("--most-tokens", default=256, show_default=True, help="Where a response is cut off.")
@click.option("--plan", type=click.Path(exists=True, path_type=Path), help="JSON with conversation, voices and manner.")
@click.option("--progress", type=click.Path(path_type=Path), help="Append JSON lines here, and print nothing.")
@click.option("--parent", type=int, help="Stop once this process is gone.")
def command(
    prompt: str,
    policies: tuple[Path, ...],
    judgments: Path | None,
    annotator: str,
    shots: int,
    direction: str | None,
    description: str,
    temperature: float,
    seed: int,
    most_tokens: int,
    plan: Path | None,
    progress: Path | None,
    parent: int | None,
) -> None:
    """Print what each policy answers to PROMPT, the base model's answer first."""
    from attune.policies.speaking import Manner, Reader, Voice, speak

    if plan:
        asked: dict[str, Any] = orjson.loads(plan.read_bytes())
        conversation = asked["conversation"]
        reader = Reader.of_plan(asked["reader"]) if asked.get("reader") else None
        voices, manner = [Voice.of_plan(each) for each in asked["voices"]], Manner(**asked["manner"])
    else:
        if not prompt.strip():
            raise click.UsageError("PROMPT is empty; expected a question.")
        conversation = [{"role": "user", "content": prompt}]
        reader = _reader(judgments, annotator, shots, description)
        voices = voices_of(policies, _direction(direction))
        manner = Manner(temperature, seed, most_tokens)
    with sink(progress) as lines, ends_in_a_line(lines):
        speak(
            voices,
            conversation,
            manner,
            tell=lines if progress else _print,
            reader=reader,
            asked_to_stop=asked_to_stop(parent),
        )
        if progress:
            lines({"done": True})


def _reader(judgments: Path | None, annotator: str, most: int, description: str) -> Any:
    """Whom the answer is for: by their last judgments, and by a description, given here or with the judgments; None for nobody."""
    from attune.data import read_judgments, read_snapshot
    from attune.fspo.describing import descriptions_in
    from attune.policies.examples import shots_of
    from attune.policies.speaking import Reader

    if judgments is None:
        return Reader((), description) if description else None
    try:
        snapshot = read_snapshot(judgments) if judgments.is_dir() else read_judgments(judgments)
        known = description or descriptions_in(snapshot.about).get(annotator, "")
        return Reader(tuple(shots_of(snapshot, annotator, most)), known)
    except AttuneError as error:
        raise click.ClickException(str(error)) from error


def _direction(text: str | None) -> tuple[float, ...]:
    from attune.policies.directions import direction_of

    try:
        return direction_of(text) if text else ()
    except AttuneError as error:
        raise click.UsageError(f"--direction: {error}") from error


def voices_of(policies: tuple[Path, ...], direction: tuple[float, ...] = ()) -> list[Any]:
    """Policies as voices, after the base models that they are of; the tiny one where there is none. ``direction`` is for those that
    read one."""
    from attune.policies.directions import reads_directions
    from attune.policies.saving import describe
    from attune.policies.speaking import Voice

    found = []
    for folder in policies:
        described = describe(folder)
        base, template = described["base"], described["settings"]["chat_template"]
        settings = described["settings"]
        found.append(
            Voice(
                folder.name,
                base["name"],
                base["revision"],
                template,
                folder,
                direction=direction if reads_directions(base["name"], settings.get("directions", 0)) else (),
                describe=settings.get("describe", "off"),
            )
        )
    grounds = dict.fromkeys(each.ground for each in found) or {(TINY, "", ""): None}
    bases = [
        Voice(name, name, revision, template, direction=direction if reads_directions(name, 0) else ())
        for name, revision, template in grounds
    ]
    return [*bases, *found]


def _print(line: Any) -> None:
    """A whole answer or the reason why there is none; growing texts are passed over."""
    if "error" in line:
        click.echo(f"— {line['key']}: {line['error']}\n", err=True)
    elif line.get("reader"):
        click.echo(f"— {line['key']}, of its reader: {line['reader']}\n")
    elif "finished" in line:
        cut = "" if line["finished"] else " (cut off)"
        click.echo(f"— {line['key']}, {line['tokens']} tokens{cut}:\n{line['text']}\n")


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    command()
