"""Everything that is kept of an annotator, as one zip of JSON with a readme, for them to take along.

What is in it is derived from the models: every table that hangs on the annotator, row by row, with all of its fields. A new table is
in it by itself; what is kept back is named here, with the reason, and the readme says so.
"""

from __future__ import annotations

import base64
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import orjson
from django.apps import apps
from django.db import models
from django.db.models import Field, Model, QuerySet

from annotator.models import Annotator, Judgment, User
from personalization.profile import SAID, said

CHUNK = 500
README = "README.txt"

WITHHELD: dict[str, str] = {
    "annotator.Assignment.occasion": "which pairs are hidden second looks, as long as they are meant to be hidden",
    "annotator.Assignment.chosen_by": "why a pair was chosen, which would tell second looks and known answers",
    "annotator.Judgment.occasion": "which judgments were hidden second looks",
    "annotator.Judgment.about": "what an importing owner noted beside the judgment, the reference in their file among it",
    "annotator.QualityStep.figures": "how many known answers were right at that moment, which would tell what is known",
    "annotator.AnnotatorQuality.figures": "figures that are computed from known answers and from comparison with others",
}
"""By ``app.Model.field``. Checks would be worth nothing if people could look up which they are; ask the project's owner."""
SECRETS: dict[str, str] = {
    "annotator.User.password": "the hash of the password",
    "annotator.ApiToken.digest": "the hash of a token",
    "annotator.IdempotencyRecord.body": "answers to your programs’ requests, which they have had; deleted after a week",
    "annotator.IdempotencyRecord.payload_digest": "a hash of the request",
}


@dataclass(frozen=True, slots=True)
class Table:
    """A model whose rows belong to an annotator, and by which path they do."""

    model: type[Model]
    path: str

    @property
    def label(self) -> str:
        return self.model._meta.label  # noqa: SLF001 (Django's documented name)

    @property
    def file(self) -> str:
        return f"tables/{self.model._meta.model_name}.json"  # noqa: SLF001

    def rows(self, annotator: Annotator) -> QuerySet[Model]:
        return self.model._default_manager.filter(**{self.path: annotator.pk}).order_by("pk")  # noqa: SLF001


def tables() -> list[Table]:
    """Every table that goes when an annotator does, nearest first."""
    found: dict[type[Model], Table] = {Annotator: Table(Annotator, "pk")}
    waiting: list[type[Model]] = [Annotator]
    while waiting:
        model = waiting.pop(0)
        for each, field in _owned_by(model):
            if each not in found:
                before = found[model].path
                found[each] = Table(each, field.name if before == "pk" else f"{field.name}__{before}")
                waiting.append(each)
    return list(found.values())


def archive(annotator: Annotator) -> Iterator[bytes]:
    """The zip, piece by piece; flat in memory."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as packed:  # type: ignore[call-overload]  # it only writes
        for name, pieces in _files(annotator):
            with packed.open(name, "w", force_zip64=True) as out:
                for piece in pieces:
                    out.write(piece)
                    yield from sink.taken()
    yield from sink.taken()


def _files(annotator: Annotator) -> Iterator[tuple[str, Iterator[bytes]]]:
    every = tables()
    yield README, iter([_readme(annotator, every).encode()])
    yield "judgments.json", _array(_judgments(annotator))
    for table in every:
        yield table.file, _array(_as_json(row) for row in table.rows(annotator).iterator(CHUNK))
    if annotator.user:
        yield "account.json", iter([_dump(account(annotator.user))])


def _judgments(annotator: Annotator) -> Iterator[Any]:
    """With the texts that they are about, as they are read."""
    related = ("pair__prompt", "pair__response_a", "pair__response_b", "rationale", "flag")
    rows = Judgment.objects.filter(annotator=annotator).select_related(*related).prefetch_related(*SAID).order_by("pk")
    return (said(each) for each in rows.iterator(CHUNK))


def account(user: User) -> dict[str, Any]:
    """The login: its own row, what hangs on it, and where it is named as the one who acted."""
    owned: dict[str, list[dict[str, Any]]] = {}
    acted: list[dict[str, Any]] = []
    for model, field in logins():
        rows = model._default_manager.filter(**{field.name: user.pk}).order_by("pk")  # noqa: SLF001
        if _cascades(field):
            owned[model._meta.label] = [_as_json(row) for row in rows]  # noqa: SLF001
        elif model is not Annotator:
            named = {"table": model._meta.label, "as": field.name}  # noqa: SLF001
            acted += [{**named, "row": row.pk, **_when_and_what(row)} for row in rows.iterator(CHUNK)]
    return {"login": _as_json(user), "tables": owned, "acted": acted}


def logins() -> list[tuple[type[Model], Field[Any, Any]]]:
    """Every field that refers to a login."""
    return [
        (model, field)
        for model in apps.get_models()
        for field in model._meta.get_fields()  # noqa: SLF001 (Django's documented name)
        if isinstance(field, models.ForeignKey) and field.related_model is User
    ]


def _cascades(field: Field[Any, Any]) -> bool:
    return getattr(field.remote_field, "on_delete", None) is models.CASCADE


def _when_and_what(row: Model) -> dict[str, Any]:
    """The time of an act, and what it was where the row says so in a word."""
    names = ("at", "created_at", "seen_at", "what", "name", "choice")
    return {name: _plain(getattr(row, name)) for name in names if isinstance(getattr(row, name, None), str | datetime)}


def _owned_by(model: type[Model]) -> Iterator[tuple[type[Model], Field[Any, Any]]]:
    for each in apps.get_models():
        for field in each._meta.get_fields():  # noqa: SLF001 (Django's documented name)
            if isinstance(field, models.ForeignKey) and field.related_model is model and _cascades(field):
                yield each, field


def _as_json(row: Model) -> dict[str, Any]:
    """All of a row's own fields but those withheld."""
    label = row._meta.label  # noqa: SLF001
    fields = [each for each in row._meta.concrete_fields if f"{label}.{each.name}" not in WITHHELD | SECRETS]  # noqa: SLF001
    return {each.name: _plain(each.value_from_object(row)) for each in fields}


def _plain(value: Any) -> Any:
    """As JSON has it; bytes, which hold float32 numbers, as these."""
    if isinstance(value, bytes | memoryview):
        raw = bytes(value)
        return np.frombuffer(raw, "<f4").tolist() if len(raw) % 4 == 0 else base64.b64encode(raw).decode()
    if isinstance(value, str | int | float | bool | list | dict | datetime | date | uuid.UUID) or value is None:
        return value
    return str(value)


def _array(rows: Iterator[Any]) -> Iterator[bytes]:
    before = b"[\n"
    for row in rows:
        yield before + _dump(row)
        before = b",\n"
    yield b"\n]\n" if before == b",\n" else b"[]\n"


def _dump(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)


def _readme(annotator: Annotator, every: list[Table]) -> str:
    listed = "\n".join(f"  {table.file}: {_first_line(table.model)}" for table in every)
    withheld = "\n".join(f"  {name}: {why}" for name, why in (WITHHELD | SECRETS).items())
    account = (
        "account.json: your login, what hangs on it in all projects, and where it is named as the one who acted\n"
        if annotator.user
        else ""
    )
    return (
        f"What Attune keeps about you in the project “{annotator.project.name}”, where you are {annotator.ref}.\n\n"
        "judgments.json: all that you said, every revision, with the texts it is about\n"
        f"{account}"
        "tables/: every table that hangs on you, row by row, as it is stored; times are UTC\n"
        f"{listed}\n\n"
        f"Not in here:\n{withheld}\n"
        "  What was learnt from everybody: the shared model has no row of yours. Your own latents are in tables/latent.json.\n"
        "  Frozen copies of your judgments in snapshots: tables/snapshotperson.json says in which.\n"
    )


def _first_line(model: type[Model]) -> str:
    return (model.__doc__ or "").strip().partition("\n")[0]


class _Sink:
    """What the zip writes to: it can't seek, so that nothing is kept back."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing to do."""

    def taken(self) -> Iterator[bytes]:
        pieces, self._pieces = self._pieces, []
        yield from pieces
