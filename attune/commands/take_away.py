"""`attune export-model`: somebody's reward model as a folder that transformers and TRL load."""

from __future__ import annotations

from pathlib import Path

import click

from attune.commands.remote import say, server, server_options


@click.command()
@click.option("--project", "slug", required=True, metavar="SLUG", help="The project, by its short name.")
@click.option("--user", metavar="REF", help="Whose, by the annotator's reference; everybody's unless given.")
@click.option("--prototype", type=click.IntRange(min=1), metavar="N", help="A prototype's; for models that have some.")
@click.option("--model", metavar="NAME@N", help="A version such as hybrid@3; the live one unless given.")
@click.option(
    "--student",
    metavar="NAME",
    help="A language model, such as tiny, to be fitted to rewards that can't be had exactly; the card says how well it agrees.",
)
@click.option(
    "--out", "folder", required=True, type=click.Path(path_type=Path), help="The folder, which must not be there yet."
)
@server_options
def export_model(
    slug: str,
    user: str | None,
    prototype: int | None,
    model: str | None,
    student: str | None,
    folder: Path,
    url: str | None,
    token: str | None,
) -> None:
    """Take a reward model away: one score, safetensors, no code of ours. What its card says is on stdout.

    Ends with 1 where it can't be had (the reason is on stderr, with what to choose instead), with 3 where nobody answers.
    """
    if folder.exists():
        raise click.UsageError(f"{folder} is there already; a folder is never written over.")
    with server(url, token) as client:
        say(client.take_away(slug, folder, user=user, prototype=prototype, model=model, student=student))
