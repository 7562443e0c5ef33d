"""Lists a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, inline_serializer
from rest_framework import serializers
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response


class Pages(CursorPagination):
    """``{"next", "previous", "results"}``, in the order of the rows' ids, so that newcomers never shift a page."""

    ordering = "pk"
    page_size = 100
    page_size_query_param = "limit"
    max_page_size = 1000


def listed(
    rows: QuerySet[Any],
    request: Request,
    serializer: type[serializers.Serializer[Any]],
    *,
    prepare: Callable[[Iterable[Any]], object] | None = None,
) -> Response:
    """The page of ``rows`` that the request asks for; ``prepare`` sees them first, to read for all at once."""
    pages = Pages()
    page = pages.paginate_queryset(rows, request)
    if prepare:
        prepare(page or ())
    return pages.get_paginated_response(serializer(page, many=True).data)


def page_of(name: str, rows: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """What a page looks like, for the OpenAPI document."""
    link: dict[str, Any] = {"allow_null": True, "help_text": "Address of that page; null at the end."}
    fields = {
        "next": serializers.URLField(**link),
        "previous": serializers.URLField(**link),
        "results": rows(many=True),
    }
    return inline_serializer(name, fields)


PARAMETERS = [
    OpenApiParameter("cursor", str, description="From the last answer's `next` or `previous`."),
    OpenApiParameter("limit", int, description="Rows a page, up to 1,000; 100 unless told."),
]
