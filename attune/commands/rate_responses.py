"""What a worker supervises for a machine annotator that is a language model here: it rates responses one by one."""

from __future__ import annotations

import os
from pathlib import Path

import click
import orjson

from attune.commands.child import asked_to_stop, ends_in_a_line, sink


@click.command(name="rate-responses")
@click.option("--plan", required=True, type=click.Path(exists=True, path_type=Path), help="method, voices, responses.")
@click.option(
    "--progress", type=click.Path(path_type=Path), help="Append JSON lines here; standard error unless given."
)
@click.option("--parent", type=int, help="Stop once this process is gone.")
def command(plan: Path, progress: Path | None, parent: int | None) -> None:
    """Write a line with the reward of each response."""
    from attune.policies.opinions import Said, opinions
    from attune.policies.speaking import Voice

    asked = orjson.loads(plan.read_bytes())
    voices = [Voice.of_plan(each) for each in asked["voices"]]
    responses = {name: Said(**each) for name, each in asked["responses"].items()}
    with sink(progress) as lines, ends_in_a_line(lines):
        opinions(asked["method"], voices, responses, tell=lines, asked_to_stop=asked_to_stop(parent))
        lines({"done": True})


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    command()
