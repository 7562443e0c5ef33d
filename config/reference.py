"""The API's reference as a page of our own, from the same schema that programs read: no script, no foreign host."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

Node = Mapping[str, Any]
METHODS = ("get", "post", "put", "patch", "delete")
DEPTH = 3
"""Fields of fields are listed so deep; what lies below is said by the schema."""


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter or one field of a body; ``name`` is a path such as ``data[].score``."""

    name: str
    type: str
    required: bool
    about: str


@dataclass(frozen=True, slots=True)
class Example:
    """A body as it is sent or comes back."""

    name: str
    body: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What may come back."""

    status: str
    about: str
    fields: list[Field]
    examples: list[Example]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    anchor: str
    method: str
    path: str
    summary: str
    about: str
    parameters: list[Field]
    body: list[Field]
    examples: list[Example]
    replies: list[Reply]


@dataclass(frozen=True, slots=True)
class Section:
    """The operations under one tag."""

    name: str
    operations: list[Operation]


@require_safe
def api_reference(request: HttpRequest) -> HttpResponse:
    """Every route with its parameters, bodies and examples."""
    return render(request, "config/api_reference.html", {"sections": sections()})


@lru_cache(maxsize=1)
def sections() -> list[Section]:
    """The schema by tag, in the order of its paths."""
    schema: Node = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    by_tag: dict[str, list[Operation]] = {}
    for path, methods in schema["paths"].items():
        for method in METHODS:
            if operation := methods.get(method):
                tag = (operation.get("tags") or ["other"])[0]
                by_tag.setdefault(tag, []).append(_operation(schema, path, method, operation))
    return [Section(tag, operations) for tag, operations in by_tag.items()]


def _operation(schema: Node, path: str, method: str, operation: Node) -> Operation:
    body = operation.get("requestBody", {})
    return Operation(
        anchor=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        about=operation.get("description", ""),
        parameters=[_parameter(each) for each in operation.get("parameters", [])],
        body=_content_fields(schema, body),
        examples=_examples(body),
        replies=[
            Reply(status, reply.get("description", ""), _content_fields(schema, reply), _examples(reply))
            for status, reply in operation["responses"].items()
        ],
    )


def _parameter(node: Node) -> Field:
    about = node.get("description", "")
    return Field(node["name"], f"{_type(node['schema'])} in {node['in']}", node.get("required", False), about)


def _content(node: Node) -> Node:
    """The first media type of a request or reply; empty where it has no body."""
    return next(iter(node.get("content", {}).values()), {})


def _content_fields(schema: Node, node: Node) -> list[Field]:
    if "application/problem+json" in node.get("content", {}):
        return []  # every error has the same shape, said once at the head of the page
    return list(_fields(schema, _content(node).get("schema", {}), "", DEPTH))


def _examples(node: Node) -> list[Example]:
    examples = _content(node).get("examples", {})
    return [
        Example(each.get("summary", name), json.dumps(each.get("value"), indent=2, ensure_ascii=False))
        for name, each in examples.items()
    ]


def _fields(schema: Node, node: Node, prefix: str, depth: int) -> Iterator[Field]:
    node = _resolved(schema, node)
    if node.get("type") == "array":
        yield from _fields(schema, node.get("items", {}), f"{prefix}[]", depth)
    required = node.get("required", [])
    for name, child in node.get("properties", {}).items():
        full = _resolved(schema, child)
        label = f"{prefix}.{name}" if prefix else name
        about = child.get("description") or full.get("description", "")
        yield Field(label, _type(full), name in required, about)
        if depth > 1 and full.get("type") in ("object", "array"):
            yield from _fields(schema, full, label, depth - 1)


def _resolved(schema: Node, node: Node) -> Node:
    """The node that a ``$ref`` (alone or in a single ``allOf``) points to."""
    while "$ref" in node or len(node.get("allOf", ())) == 1:
        if "$ref" not in node:
            node = node["allOf"][0]
            continue
        found: Any = schema
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def _type(node: Node) -> str:
    """A type in a few words."""
    if "enum" in node:
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in node["enum"])
    if options := node.get("oneOf") or node.get("anyOf"):
        return " | ".join(dict.fromkeys(_type(each) for each in options))
    kind = node.get("type", "object")
    kind = " | ".join(kind) if isinstance(kind, list) else kind
    if kind == "array":
        return f"array of {_type(node.get('items', {}))}"
    return f"{kind} ({node['format']})" if "format" in node else kind
