"""The `attune` command. Each command is loaded when it is used, so that `attune --help` answers at once.

The web parts add theirs through the entry-point group `attune.commands`: each entry is a mapping from a command's
name to a `Lazy` command. Nothing here knows what they import.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import NamedTuple

import click

GROUP = "attune.commands"


class Lazy(NamedTuple):
    """A command that is imported on its first use."""

    target: str  # "package.module:attribute" of a click command
    help: str  # the line that `attune --help` shows

    def load(self) -> click.Command:
        module, _, attribute = self.target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


OWN_COMMANDS: Mapping[str, Lazy] = {
    "login": Lazy("attune.commands.login:login", "Keep a server's address and a token for the other commands."),
    "runs": Lazy("attune.commands.runs:runs", "Runs on a server: list, start, wait for their end."),
    "export-model": Lazy(
        "attune.commands.take_away:export_model", "Take a reward model away as a folder that transformers load."
    ),
    "score": Lazy("attune.commands.score:score", "Ask a running Attune for personal rewards."),
    "fit-policy": Lazy("attune.commands.fit_policy:command", "Train a policy from a snapshot's judgments."),
    "say": Lazy("attune.commands.say:command", "Let policies answer a prompt, beside their base model."),
    "write-responses": Lazy(
        "attune.commands.write_responses:command", "Let policies answer many prompts, several times each."
    ),
    "evaluate": Lazy("attune.commands.evaluate:command", "Measure models on annotators that they were not fitted on."),
}


class LazyGroup(click.Group):
    """A click group over `Lazy` commands: our own and those of installed entry points."""

    @property
    def lazy(self) -> dict[str, Lazy]:
        """Every command by name; an entry point whose package is not installed adds none."""
        found = dict(OWN_COMMANDS)
        for entry in entry_points(group=GROUP):
            try:
                found.update(entry.load())
            except ModuleNotFoundError:
                continue
        return found

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click asks for it)
        return sorted(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (click asks for it)
        lazy = self.lazy.get(cmd_name)
        return lazy.load() if lazy else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 (click asks for it)
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in sorted(self.lazy.items())])


@click.group(cls=LazyGroup)
@click.version_option(package_name="attune")
def main() -> None:
    """Collect human preferences, learn what each person prefers, and score responses for them."""
