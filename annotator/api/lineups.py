"""Rankings and ratings through the API: what there is of them, and what owners do about one, as of pairs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.api.content import owned, reading, storable
from annotator.api.content_serializers import LineupSerializer
from annotator.api.fields import StrictSerializer, Text, Truth, Whole, expect_no_body
from annotator.api.openapi import problems
from annotator.api.pagination import PARAMETERS, Pages, page_of
from annotator.api.pairs import MOST_PEOPLE, PinnedSerializer, annotators_called
from annotator.api.permissions import caller
from annotator.errors import Invalid, NotFound
from annotator.models import Lineup, Project
from annotator.models import Response as ResponseRow
from annotator.services.adjudicating import MAX_NOTE, adjudicate_lineup
from annotator.services.content import MAX_REF
from annotator.services.gold import set_gold_lineup
from annotator.services.lineups import MOST, restore_lineup, withdraw_lineup
from annotator.services.pinning import pin_lineup


@extend_schema_serializer(component_name="LineupPinIn")
class LineupPinSerializer(StrictSerializer):
    annotators = serializers.ListField(child=Text(max_length=MAX_REF), min_length=1, max_length=MOST_PEOPLE)


class _OrderSerializer(StrictSerializer):
    ranking = serializers.ListField(
        child=serializers.ListField(child=Text(max_length=MAX_REF), min_length=1, max_length=MOST),
        allow_null=True,
        default=None,
        max_length=MOST,
        help_text="Refs in groups, the best first; equal ones in one group.",
    )


@extend_schema_serializer(component_name="KnownOrder")
class LineupGoldSerializer(_OrderSerializer):
    lowest = Whole(
        min_value=0, max_value=10, allow_null=True, default=None, help_text="The lowest rating that is right."
    )
    highest = Whole(min_value=0, max_value=10, allow_null=True, default=None, help_text="The highest one.")
    qualifying = Truth(default=False, help_text="Asked before anything else.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if (attrs["lowest"] is None) != (attrs["highest"] is None):
            raise serializers.ValidationError({"highest": "The lowest and the highest rating come together."})
        return attrs


@extend_schema_serializer(component_name="LineupDecision")
class LineupDecisionSerializer(_OrderSerializer):
    rating = Whole(min_value=0, max_value=10, allow_null=True, default=None)
    note = Text(max_length=MAX_NOTE, default="")


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
        lineup = _named(request, slug, pk)
        (withdraw_lineup if self.act == "withdraw" else restore_lineup)(lineup=lineup, by=caller(request))
        lineup.refresh_from_db()
        return Response(_bodies([lineup])[0])


class LineupPinView(APIView):
    """Lineups for certain people."""

    @extend_schema(
        operation_id="pin_lineup",
        summary="Give a ranking or a response to rate to people next",
        request=LineupPinSerializer,
        responses={200: PinnedSerializer, **problems(400, 409, 422)},
        tags=["content"],
    )
    def put(self, request: Request, slug: str, pk: int) -> Response:
        """They get it before anything else, and a place is held for each, also where it is full. For owners."""
        lineup, said = _named(request, slug, pk), _body(LineupPinSerializer, request)
        outcome = pin_lineup(
            lineup=lineup, annotators=annotators_called(lineup.project, said["annotators"]), by=caller(request)
        )
        return Response({"pinned": outcome.new, "had_it": outcome.had_it})


class LineupGoldView(APIView):
    """Known orders and ratings."""

    @extend_schema(
        operation_id="set_known_order",
        summary="Write the known order of a ranking, or the right ratings of a response",
        request=LineupGoldSerializer,
        responses={200: LineupSerializer, **problems(400, 422)},
        tags=["content"],
    )
    def put(self, request: Request, slug: str, pk: int) -> Response:
        """It is mixed in at the project's rate, and annotators can't tell it from others. With neither, nothing is known of
        it any more. For owners."""
        lineup, said = _named(request, slug, pk), _body(LineupGoldSerializer, request)
        rating = (said["lowest"], said["highest"]) if said["lowest"] is not None else None
        set_gold_lineup(
            lineup=lineup,
            ranking=_numbers(lineup, said["ranking"]),
            rating=rating,
            qualifying=said["qualifying"],
            by=caller(request),
        )
        lineup.refresh_from_db()
        return Response(_bodies([lineup])[0])


class LineupDecisionView(APIView):
    """The last word on rankings and ratings."""

    @extend_schema(
        operation_id="decide_lineup",
        summary="Decide a ranking or a rating",
        request=LineupDecisionSerializer,
        responses={200: LineupDecisionSerializer, **problems(400, 422)},
        tags=["content"],
    )
    def put(self, request: Request, slug: str, pk: int) -> Response:
        """Kept beside the judgments, which stay as they are. With neither an order nor a rating it is taken back; the same
        decision again changes nothing. For owners."""
        lineup, said = _named(request, slug, pk), _body(LineupDecisionSerializer, request)
        ranking, note = _numbers(lineup, said["ranking"]), said["note"].strip()
        last = lineup.adjudications.filter(current=True).first()
        before = (last.ranking, last.rating, last.note) if last else (None, None, "")
        if before != (ranking and [sorted(tier) for tier in ranking], said["rating"], note):
            adjudicate_lineup(lineup=lineup, ranking=ranking, rating=said["rating"], note=note, by=caller(request))
        return Response(said)


def _named(request: Request, slug: str, pk: int) -> Lineup:
    """The lineup, for its owner."""
    if (lineup := _lineups(owned(request, slug)).filter(pk=pk).first()) is None:
        raise NotFound(f"There is no lineup {pk} in this project.")
    return lineup


def _body(body_class: type[StrictSerializer], request: Request) -> dict[str, Any]:
    body = body_class(data=request.data)
    body.is_valid(raise_exception=True)
    said: dict[str, Any] = body.validated_data
    return said


def _numbers(lineup: Lineup, ranking: list[list[str]] | None) -> list[list[int]] | None:
    """An order of refs in the lineup's own numbers. Raises ``Invalid`` for a ref that is not in it."""
    if ranking is None:
        return None
    refs = dict(ResponseRow.objects.filter(pk__in=lineup.responses).values_list("ref", "pk"))
    if (unknown := next((ref for tier in ranking for ref in tier if ref not in refs), None)) is not None:
        raise Invalid(f"“{unknown[:80]}” is none of its responses.", fields={"ranking": f"expected {', '.join(refs)}"})
    return [[lineup.responses.index(refs[ref]) + 1 for ref in tier] for tier in ranking]


def _lineups(project: Project) -> QuerySet[Lineup]:
    rows = Lineup.objects.filter(project=project).select_related("project", "prompt").order_by("id")
    return rows.defer("prompt__text", "prompt__messages")


def _bodies(lineups: Iterable[Lineup]) -> Any:
    rows = list(lineups)
    ids = {pk for each in rows for pk in each.responses}
    refs = dict(ResponseRow.objects.filter(pk__in=ids).values_list("pk", "ref"))
    return LineupSerializer(rows, many=True, context={"refs": refs}).data
