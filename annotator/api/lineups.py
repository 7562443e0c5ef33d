"""Rankings and ratings through the API: what there is of them, withdrawing one, bringing it back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.api.content import owned, reading, storable
from annotator.api.content_serializers import LineupSerializer
from annotator.api.fields import expect_no_body
from annotator.api.openapi import problems
from annotator.api.pagination import PARAMETERS, Pages, page_of
from annotator.api.permissions import caller
from annotator.errors import Invalid, NotFound
from annotator.models import Lineup, Project
from annotator.models import Response as ResponseRow
from annotator.services.lineups import restore_lineup, withdraw_lineup


class LineupsView(APIView):
    """A project's rankings and responses to rate."""

    filters = ("kind", "prompt")

    @extend_schema(
        operation_id="lineups",
        summary="List rankings and responses to rate",
        parameters=[
            *PARAMETERS,
            OpenApiParameter("kind", str, enum=Lineup.Kind.values, description="Only those of this kind."),
            OpenApiParameter("prompt", str, description="Only those of the prompt with this ref."),
        ],
        responses={200: page_of("LineupPage", LineupSerializer), **problems(400, 422)},
        tags=["content"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Oldest first. They are made of a prompt's responses when it comes, for the kinds that the project asks for. For
        owners and viewers."""
        rows = _lineups(reading(request, slug))
        if (ref := request.query_params.get("prompt")) is not None:
            rows = rows.filter(prompt__ref=storable(ref))
        if (kind := request.query_params.get("kind")) is not None:
            if kind not in Lineup.Kind.values:
                problem = f"expected {' or '.join(Lineup.Kind.values)}"
                raise Invalid(f"kind is “{kind}”, {problem}.", fields={"kind": problem})
            rows = rows.filter(kind=kind)
        pages = Pages()
        page = pages.paginate_queryset(rows, request, view=self) or []
        return pages.get_paginated_response(_bodies(page))


class LineupStateView(APIView):
    """Withdrawing one, and bringing it back. ``act`` comes with the address."""

    act = ""

    @extend_schema(request=None, responses={200: LineupSerializer, **problems(413, 422)}, tags=["content"])
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Withdrawn ones are shown to nobody; what was said of them stays."""
        expect_no_body(request)
        lineup = _lineups(owned(request, slug)).filter(pk=pk).first()
        if lineup is None:
            raise NotFound(f"There is no lineup {pk} in this project.")
        (withdraw_lineup if self.act == "withdraw" else restore_lineup)(lineup=lineup, by=caller(request))
        lineup.refresh_from_db()
        return Response(_bodies([lineup])[0])


def _lineups(project: Project) -> QuerySet[Lineup]:
    rows = Lineup.objects.filter(project=project).select_related("project", "prompt").order_by("id")
    return rows.defer("prompt__text", "prompt__messages")


def _bodies(lineups: Iterable[Lineup]) -> Any:
    rows = list(lineups)
    ids = {pk for each in rows for pk in each.responses}
    refs = dict(ResponseRow.objects.filter(pk__in=ids).values_list("pk", "ref"))
    return LineupSerializer(rows, many=True, context={"refs": refs}).data
