"""What the commands that talk to a server share: address and token, JSON on stdout, exit codes that mean something.

0 done · 1 the server refused, or a run failed · 2 asked for in a wrong way · 3 nobody answers, or not now.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from attune.client import ApiError, Client, ClientError, Retry, Unreachable
from attune.client.transport import AGAIN, USUAL

REFUSED, AWAY = 1, 3
TRIES = "attune.tries"

Command = TypeVar("Command", bound=Callable[..., Any])


def server_options(command: Command) -> Command:
    """``--url``, ``--token`` and ``--tries``."""
    where = "else that of `attune login`, else that of the local demo"
    url = click.option("--url", envvar="ATTUNE_URL", help=f"Where Attune answers ($ATTUNE_URL; {where}).")
    token = click.option("--token", envvar="ATTUNE_TOKEN", help=f"Who asks ($ATTUNE_TOKEN; {where}).")
    tries = click.option(
        "--tries",
        type=click.IntRange(min=1),
        default=4,
        show_default=True,
        expose_value=False,
        callback=lambda context, _, value: context.meta.__setitem__(TRIES, value),
        help="So often, with growing waits, where the server is away or busy.",
    )
    return url(token(tries(command)))


@contextmanager
def server(url: str | None, token: str | None) -> Iterator[Client]:
    """A client; what goes wrong becomes one line on stderr and the exit code that fits."""
    try:
        tries: int = click.get_current_context().meta.get(TRIES, USUAL.attempts)
        client = Client(url, token, retry=Retry(attempts=tries))
    except ClientError as error:
        raise click.UsageError(str(error)) from None
    with client:
        try:
            yield client
        except ApiError as error:
            click.echo(json.dumps(_problem(error)), err=True)
            sys.exit(AWAY if error.status in AGAIN else REFUSED)
        except Unreachable as error:
            click.echo(str(error), err=True)
            sys.exit(AWAY)
        except ClientError as error:
            click.echo(str(error), err=True)
            sys.exit(REFUSED)


def say(result: object) -> None:
    """A result for a program."""
    click.echo(json.dumps(result, indent=2, ensure_ascii=False, default=str))


def _problem(error: ApiError) -> dict[str, object]:
    return {"status": error.status, "code": error.code, "detail": error.detail, "fields": error.fields}
