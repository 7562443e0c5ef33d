"""What the client's types offer by name is what the server takes, so that neither can go on without the other."""

from __future__ import annotations

from types import NoneType
from typing import Any, get_args, get_type_hints

import pytest
from rest_framework import serializers

from annotator.api.content_serializers import ObjectField, SettingsInSerializer
from annotator.api.fields import Number, Text, Truth, Whole
from annotator.exports.dataset_options import DatasetOptions, Type
from annotator.exports.options import FILE_TYPES, ExportOptions
from attune.client import options

PLAIN: dict[type, set[Any]] = {Text: {str}, Whole: {int}, Number: {float}, Truth: {bool}, ObjectField: {str, Any}}


def allowed(kind: Any) -> set[Any]:
    """The words and the types that an annotation is made of."""
    parts = get_args(kind)
    return set().union(*map(allowed, parts)) if parts else {kind}


@pytest.mark.parametrize(
    ("offered", "taken"), [(options.ExportOptions, ExportOptions), (options.DatasetOptions, DatasetOptions)]
)
def test_files(offered: type, taken: type) -> None:
    server = {name: allowed(kind) | {NoneType} for name, kind in get_type_hints(taken).items()}
    assert "type" in server
    kinds = server.pop("type")
    assert {name: allowed(kind) for name, kind in get_type_hints(offered).items()} == server
    assert kinds <= allowed(get_type_hints(options.FileOptions)["type"])


def test_no_other_type_of_file() -> None:
    assert allowed(get_type_hints(options.FileOptions)["type"]) == {*FILE_TYPES, *get_args(Type), NoneType}


def test_a_set_up() -> None:
    def taken(field: Any) -> set[Any]:
        if isinstance(field, serializers.ListField):
            return taken(field.child)
        plain = set(field.choices) if isinstance(field, serializers.ChoiceField) else PLAIN[type(field)]
        return plain | {NoneType} if field.allow_null else plain

    offered = {name: allowed(kind) for name, kind in get_type_hints(options.SetupOptions).items()}
    assert offered == {name: taken(field) for name, field in SettingsInSerializer().fields.items()}
