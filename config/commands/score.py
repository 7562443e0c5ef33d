"""`attune score`: ask a running Attune for personal rewards; its answer as JSON on stdout."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import httpx

from config.local.home import attune_home

SECONDS = 120.0
REFUSED, AWAY = 1, 3


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
@click.option("--url", envvar="ATTUNE_URL", help="Where Attune answers ($ATTUNE_URL; else that of the local demo).")
@click.option("--token", envvar="ATTUNE_TOKEN", help="With the scope score ($ATTUNE_TOKEN; else that of the demo).")
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
    if body is not None:
        if completions or slug or prompt:
            raise click.UsageError(
                "--body holds the whole request: give no completions, --project or --prompt with it."
            )
        content: bytes = body.read()
    elif not (completions and slug and prompt):
        raise click.UsageError("Give --project, --prompt and at least one completion, or a whole request as --body.")
    else:
        asked = {"project": slug, "user": user, "model": model, "prompt": prompt, "completions": completions}
        content = json.dumps(asked | {"normalize": normalize}).encode()
    _ask(content, **_where(url, token))


def _where(url: str | None, token: str | None) -> dict[str, str]:
    """The address and the token: as given, else those that `attune demo` wrote down."""
    demo = _demo(attune_home() / "demo.json")
    found = {"url": url or demo.get("url"), "token": token or demo.get("token")}
    for name, value in found.items():
        if not value:
            raise click.UsageError(f"Give --{name} or $ATTUNE_{name.upper()}; there is no local demo to take it from.")
    return {name: str(value) for name, value in found.items()}


def _demo(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _ask(content: bytes, *, url: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        answer = httpx.post(f"{url.rstrip('/')}/api/v1/score", content=content, headers=headers, timeout=SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        click.echo(f"Nobody answers at {url}: {error or type(error).__name__}.", err=True)
        sys.exit(AWAY)
    click.echo(answer.text, err=answer.status_code != 200)
    if answer.status_code != 200:
        sys.exit(AWAY if answer.status_code >= 500 or answer.status_code == 429 else REFUSED)
