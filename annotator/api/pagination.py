"""Lists a page at a time."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter
from rest_framework.pagination import CursorPagination


class Pages(CursorPagination):
    """``{"next", "previous", "results"}``, in the order of the rows' ids, so that newcomers never shift a page."""

    ordering = "pk"
    page_size = 100
    page_size_query_param = "limit"
    max_page_size = 1000


PARAMETERS = [
    OpenApiParameter("cursor", str, description="From the last answer's `next` or `previous`."),
    OpenApiParameter("limit", int, description="Rows a page, up to 1,000; 100 unless told."),
]
