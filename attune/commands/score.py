"""`attune score`: ask a running Attune for personal rewards; its answer as JSON on stdout."""

from __future__ import annotations

import json
from typing import Any

import click

from attune.client.transport import Call, Operation
from attune.commands.remote import say, server, server_options


@click.command()
@click.argument("completions", nargs=-1)
@click.option("--project", "slug", metavar="SLUG", help="The project, by its short name.")
@click.option("--user", metavar="REF", help="Whose rewards, by the annotator's reference; everybody's unless given.")
@click.option("--model", metavar="NAME@N", help="A version to pin, such as hybrid@3; the live one unless given.")
@click.option("--prompt", metavar="TEXT", help="What the completions answer.")
@click.option("--normalize", type=click.Choice(["none", "sigmoid", "percentile"]), default="none", show_default=True)
@click.option(
    "--body", type=click.File("rb"), help="A whole request as JSON, in place of all of the above; - is stdin."
)
@server_options
def score(
    completions: tuple[str, ...],
    slug: str | None,
    user: str | None,
    model: str | None,
    prompt: str | None,
    normalize: str,
    body: Any,
    url: str | None,
    token: str | None,
) -> None:
    """Score COMPLETIONS of a prompt for one person. Put -- before the first that begins with a dash.

    Ends with 1 where the request is refused (the reason is on stderr, as the server gave it), and with 3 where nobody
    answers or the server can't do it now.
    """
    asked = _asked(completions, slug, user, model, prompt, normalize, body)
    with server(url, token) as client:
        say(client.run_operation(Operation(Call("POST", "score", asked), lambda response: response.json())))


def _asked(
    completions: tuple[str, ...],
    slug: str | None,
    user: str | None,
    model: str | None,
    prompt: str | None,
    normalize: str,
    body: Any,
) -> Any:
    if body is not None:
        if completions or slug or prompt:
            raise click.UsageError(
                "--body holds the whole request: give no completions, --project or --prompt with it."
            )
        try:
            return json.loads(body.read())
        except ValueError as error:
            raise click.UsageError(f"--body is not JSON: {error}") from None
    if not (completions and slug and prompt):
        raise click.UsageError("Give --project, --prompt and at least one completion, or a whole request as --body.")
    asked = {"project": slug, "user": user, "model": model, "prompt": prompt, "completions": completions}
    return asked | {"normalize": normalize}
