"""Every address of the site, from the resolver itself, so that none can be forgotten."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

_PARAMETER = re.compile(r"([^/<>]+)/<(\w+):(\w+)>")
_REGULAR = re.compile(r"\(\?P<\w+>")
PAGE_METHODS = ("GET", "POST")
API_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Route:
    """``template`` is the address as Django has it, with ``<slug:slug>`` and the like; ``methods`` what it may answer."""

    template: str
    is_api: bool
    methods: tuple[str, ...]

    @property
    def of_project(self) -> bool:
        return "<slug:slug>" in self.template

    @property
    def parameters(self) -> tuple[str, ...]:
        """Each of its parameters but the project's slug, by what stands before it: ``pairs:int`` for ``…/pairs/<int:pk>/``."""
        return tuple(f"{before}:{kind}" for before, kind, name in _PARAMETER.findall(self.template) if name != "slug")

    def named(self, slug: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values of its parameters by their names in the OpenAPI document."""
        found = _PARAMETER.findall(self.template)
        return {
            _in_document(name): slug if name == "slug" else values[f"{before}:{kind}"] for before, kind, name in found
        }

    @property
    def in_schema(self) -> str:
        """How the OpenAPI document writes it."""
        return "/" + _PARAMETER.sub(lambda match: f"{match[1]}/{{{_in_document(match[3])}}}", self.template)

    def address(self, slug: str, values: Mapping[str, Any]) -> str:
        """With ``values`` for ``parameters``. Raises ``KeyError`` for one that is not there."""

        def value(match: re.Match[str]) -> str:
            before, kind, name = match.groups()
            return f"{before}/{slug if name == 'slug' else values[f'{before}:{kind}']}"

        return "/" + _PARAMETER.sub(value, self.template)


def every_route() -> list[Route]:
    """All but Django's own admin, which is for superusers, and allauth's pages of an account."""
    found = _walk(get_resolver().url_patterns, "")
    return [route for route in found if not route.template.startswith(("admin/", "accounts/"))]


def _in_document(name: str) -> str:
    return "id" if name == "pk" else name


def _walk(patterns: Sequence[URLPattern | URLResolver], prefix: str) -> Iterator[Route]:
    for each in patterns:
        template = f"{prefix}{each.pattern}"
        if isinstance(each, URLResolver):
            yield from _walk(each.url_patterns, template)
        else:
            if template.startswith(("admin/", "accounts/")):
                continue
            assert not _REGULAR.search(template), f"{template}: the matrix reads path(), not re_path()"
            view = getattr(each.callback, "view_class", None)
            yield Route(template, view is not None, _methods(each.callback, view))


def _methods(callback: Callable[..., Any], view: type | None) -> tuple[str, ...]:
    if view is None:
        return PAGE_METHODS
    return tuple(method for method in API_METHODS if hasattr(view, method.lower()))
