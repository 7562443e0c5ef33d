"""`attune write-responses`: let policies answer many prompts. What a worker supervises for a round, and what can run alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
import orjson

from attune.commands.child import asked_to_stop, ends_in_a_line, sink
from attune.commands.say import voices_of


@click.command(name="write-responses")
@click.option(
    "--prompts",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A text file with one prompt a line.",
)
@click.option(
    "--policy",
    "policies",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A policy's folder; may be repeated. The base model writes too.",
)
@click.option("--count", default=4, show_default=True, help="Responses to a prompt at each temperature.")
@click.option("--temperature", "temperatures", multiple=True, type=float, default=(1.0,), show_default=True)
@click.option("--most-tokens", default=256, show_default=True, help="Where a response is cut off.")
@click.option("--batch", default=16, show_default=True, help="Responses written at once.")
@click.option("--seed", default=0, show_default=True)
@click.option("--plan", type=click.Path(exists=True, path_type=Path), help="JSON with conversations, voices and order.")
@click.option("--progress", type=click.Path(path_type=Path), help="Append JSON lines here, and print nothing.")
@click.option("--parent", type=int, help="Stop once this process is gone.")
def command(
    prompts: Path | None,
    policies: tuple[Path, ...],
    count: int,
    temperatures: tuple[float, ...],
    most_tokens: int,
    batch: int,
    seed: int,
    plan: Path | None,
    progress: Path | None,
    parent: int | None,
) -> None:
    """Print a JSON line for every prompt and policy, with the responses that it wrote."""
    from attune.policies.speaking import Voice
    from attune.policies.writing import Order, write

    if plan:
        asked: dict[str, Any] = orjson.loads(plan.read_bytes())
        conversations = asked["conversations"]
        voices = [Voice.of_plan(each) for each in asked["voices"]]
        order = Order(**asked["order"] | {"temperatures": tuple(asked["order"]["temperatures"])})
    else:
        conversations, voices = _conversations(prompts), voices_of(policies)
        order = Order(count, temperatures, most_tokens, seed, batch)
    with sink(progress) as lines, ends_in_a_line(lines):
        write(
            voices,
            conversations,
            order,
            tell=lines if progress else _print,
            asked_to_stop=asked_to_stop(parent),
        )
        if progress:
            lines({"done": True})


def _conversations(path: Path | None) -> dict[str, list[dict[str, str]]]:
    asked = [line.strip() for line in path.read_text().splitlines()] if path else []
    if not any(asked):
        raise click.UsageError("there is no prompt; expected --prompts with a file of one prompt a line")
    return {each: [{"role": "user", "content": each}] for each in asked if each}


def _print(line: Any) -> None:
    click.echo(orjson.dumps(line).decode())


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    command()
