"""Model instances from hand-written statements, for the few that run with every judgment.

The ORM spends five times as long on composing such a statement as the database on answering it.
"""

# ruff: noqa: SLF001 (Django documents `_meta`)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model

Row = TypeVar("Row", bound=Model)


def columns(model: type[Model], alias: str) -> str:
    """The columns of ``model`` in the order that ``instance`` takes them."""
    return ", ".join(f"{alias}.{field.column}" for field in model._meta.concrete_fields)


def width(model: type[Model]) -> int:
    """How many columns that is."""
    return len(model._meta.concrete_fields)


def instance(model: type[Row], values: Sequence[Any]) -> Row:
    """A row as the ORM would give it."""
    fields = model._meta.concrete_fields
    read = [
        field.from_db_value(value, None, connection) if hasattr(field, "from_db_value") else value
        for field, value in zip(fields, values, strict=True)
    ]
    return model.from_db(connection.alias, [field.attname for field in fields], read)
