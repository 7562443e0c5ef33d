"""`attune login`: keep a server's address and a token for the other commands."""

from __future__ import annotations

import click

from attune.client.where import Where, remember
from attune.commands.remote import say, server


@click.command()
@click.option("--url", envvar="ATTUNE_URL", required=True, prompt="Address", help="Where Attune answers.")
@click.option(
    "--token",
    envvar="ATTUNE_TOKEN",
    required=True,
    prompt="Token",
    hide_input=True,
    help="From the project's page of tokens. Asked for unless given, so that it stays out of the shell's history.",
)
def login(url: str, token: str) -> None:
    """Try a token and keep it, readable by you only. Says what it may do. Ends with 1 where the server refuses it."""
    with server(url, token) as client:
        found = client.token()
        path = remember(Where(client.url, token))
        say({"url": client.url, "token": found, "kept_in": str(path)})
