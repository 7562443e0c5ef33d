"""`attune export --remote` and `attune import --remote`: the same against a server, through the client."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from attune.client import Client
from attune.client.unpacking import unpack
from attune.commands.remote import REFUSED, say, server


def remote_export(slug: str, out: str, options: dict[str, Any], *, url: str | None, token: str | None) -> None:
    """An export or a dataset to a file, or to a folder that must not be there yet; - is standard output."""
    with server(url, token) as client:
        if out == "-":
            _to_stdout(client, slug, options)
            return
        target = Path(out)
        if options.get("type") == "folder":
            _to_folder(client, slug, target, options)
        else:
            client.download(slug, target, **options)
        say({"project": slug, "file": out, "server": client.url})


def remote_import(
    slug: str,
    file: str,
    *,
    dry_run: bool,
    skip_bad: bool,
    in_parts: bool,
    columns: Sequence[str],
    who: str,
    url: str | None,
    token: str | None,
) -> None:
    """A file to the server. Ends with 1 where a row was wrong and nothing was written, or the worker failed."""
    with server(url, token) as client:
        done = client.import_file(
            slug,
            file,
            dry_run=dry_run,
            skip_bad=skip_bad,
            in_parts=in_parts,
            columns=columns,
            who=who,
            watch=_watch,
        )
        say(done)
        if (done["report"].get("rejected") and not (skip_bad or in_parts)) or done["state"] == "failed":
            sys.exit(REFUSED)


def _to_stdout(client: Client, slug: str, options: dict[str, Any]) -> None:
    with client.stream(client.export_call(slug, **options)) as response:
        for piece in response.iter_bytes():
            sys.stdout.buffer.write(piece)
    sys.stdout.flush()


def _to_folder(client: Client, slug: str, target: Path, options: dict[str, Any]) -> None:
    if target.exists():
        raise click.UsageError(f"{target} is there already; a folder is never written over.")
    packed = target.with_name(f".{target.name}.zip")
    try:
        client.download(slug, packed, **options)
        unpack(packed, target)
    finally:
        packed.unlink(missing_ok=True)


def _watch(found: dict[str, Any]) -> None:
    rows = found["progress"].get("rows")
    click.echo(f"{found['state']}{f', {rows:,} rows' if rows else ''}", err=True)
