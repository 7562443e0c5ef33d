"""Snapshots through the API: freeze, also a past moment; list; compare two."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.access import project_for
from annotator.api.fields import StrictSerializer, Text
from annotator.api.openapi import IDEMPOTENCY_KEY, problems
from annotator.api.pagination import PARAMETERS, Pages, page_of
from annotator.api.permissions import caller
from annotator.api.writes import written_once
from annotator.models import ApiToken, Project, Role
from training.comparing import KINDS, checked_kinds, compare
from training.filters import CHOICES, SnapshotFilters, moment
from training.models import Snapshot
from training.snapshot_selectors import find_snapshot, snapshots_of
from training.snapshots import name_snapshot, take_snapshot

NAMED = "Its name, or the first eight or more digits of its digest."
MOST_ROWS = 1_000
_SNAPSHOT = OpenApiParameter("snapshot", str, OpenApiParameter.PATH, description=NAMED)


@extend_schema_serializer(component_name="SnapshotFilters")
class FiltersSerializer(StrictSerializer):
    """What a snapshot holds, where it is not all that models may learn from."""

    simulated = serializers.ChoiceField(CHOICES["simulated"], required=False, help_text="Programs that judge.")
    failed_checks = serializers.ChoiceField(
        CHOICES["failed_checks"], required=False, help_text="Annotators whom their checks have left out."
    )
    repeats = serializers.ChoiceField(CHOICES["repeats"], required=False, help_text="Hidden second looks.")
    annotators = serializers.ListField(child=Text(max_length=200), required=False, help_text="Only these references.")
    topics = serializers.ListField(child=Text(max_length=200), required=False)
    rounds = serializers.ListField(
        child=Text(max_length=10), required=False, help_text="Only pairs that policies wrote in these rounds."
    )
    judged_from = Text(max_length=40, required=False, help_text="A moment with its zone.")
    judged_before = Text(max_length=40, required=False)


@extend_schema_serializer(component_name="SnapshotIn")
class SnapshotInSerializer(StrictSerializer):
    """Everything has a default: all that models may learn from, as it is now, without a name."""

    name = Text(max_length=80, default="", help_text="Letters, digits, dots, dashes and underscores.")
    as_of = Text(
        max_length=40, allow_null=True, default=None, help_text="A past moment with its zone: 2026-01-02T03:04:05Z."
    )
    filters = FiltersSerializer(default=dict)


@extend_schema_serializer(component_name="SnapshotName")
class SnapshotNameSerializer(StrictSerializer):
    name = Text(max_length=80, allow_blank=False)


@extend_schema_serializer(component_name="SnapshotErasure")
class ErasedSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    was = serializers.CharField(help_text="Its digest before.")
    judgments = serializers.IntegerField(help_text="How many went out.")


@extend_schema_serializer(component_name="Snapshot")
class SnapshotSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    digest = serializers.CharField()
    as_of = serializers.DateTimeField(source="moment", help_text="The moment that it holds.")
    filters = serializers.SerializerMethodField()
    counts = serializers.SerializerMethodField(help_text="judgments, responses, annotators, ties …")
    runs = serializers.SerializerMethodField(help_text="Numbers of the runs that fitted it.")
    models = serializers.SerializerMethodField(help_text="What came of them, such as hybrid@3.")
    policies = serializers.SerializerMethodField()
    erased = ErasedSerializer(many=True, help_text="Annotators who were erased from it.")
    created_at = serializers.DateTimeField()

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_filters(self, snapshot: Snapshot) -> dict[str, Any]:
        filters: dict[str, Any] = snapshot.filters
        return filters

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}})
    def get_counts(self, snapshot: Snapshot) -> dict[str, int]:
        counts: dict[str, int] = snapshot.counts
        return counts

    def get_runs(self, snapshot: Snapshot) -> list[int]:
        return [run.number for run in snapshot.runs.all()]

    def get_models(self, snapshot: Snapshot) -> list[str]:
        return [run.version.label for run in snapshot.runs.all() if hasattr(run, "version")]

    def get_policies(self, snapshot: Snapshot) -> list[str]:
        return [run.version.label for run in snapshot.policy_runs.all() if hasattr(run, "version")]


@extend_schema_serializer(component_name="SnapshotDiffCounts")
class CountsSerializer(serializers.Serializer[Any]):
    came = serializers.IntegerField()
    went = serializers.IntegerField()
    changed = serializers.IntegerField(help_text="By a revision: the same annotator on the same two responses.")
    same = serializers.IntegerField()


@extend_schema_serializer(component_name="SnapshotSaid")
class SaidSerializer(serializers.Serializer[Any]):
    choice = serializers.CharField(help_text="In terms of response_a and response_b.")
    strength = serializers.IntegerField(allow_null=True)
    swapped = serializers.BooleanField()
    rationale = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    spans = serializers.ListField(child=serializers.CharField())
    judged_at = serializers.CharField()
    repeat = serializers.BooleanField()


@extend_schema_serializer(component_name="SnapshotDiffRow")
class DiffRowSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(KINDS)
    annotator = serializers.CharField(help_text="Their reference; empty for somebody who is no longer there.")
    prompt = serializers.CharField()
    response_a = serializers.CharField()
    response_b = serializers.CharField()
    before = SaidSerializer(allow_null=True)
    after = SaidSerializer(allow_null=True)
    fields = serializers.ListField(child=serializers.CharField(), help_text="What differs.")  # type: ignore[assignment]


@extend_schema_serializer(component_name="SnapshotDiff")
class DiffSerializer(serializers.Serializer[Any]):
    before = serializers.CharField(help_text="Digest.")
    after = serializers.CharField()
    counts = CountsSerializer()
    rows = DiffRowSerializer(many=True)


def _readable(request: Request, slug: str) -> Project:
    return project_for(caller(request), slug, Role.OWNER, Role.VIEWER).project


class SnapshotsView(APIView):
    """A project's snapshots."""

    filters = ()
    write_scope = ApiToken.Scope.MANAGE

    @extend_schema(
        operation_id="snapshots",
        summary="List snapshots",
        parameters=PARAMETERS,
        responses={200: page_of("SnapshotPage", SnapshotSerializer), **problems(400)},
        tags=["models"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Oldest first, with what was trained on each."""
        pages = Pages()
        page = pages.paginate_queryset(snapshots_of(_readable(request, slug)), request, view=self)
        return pages.get_paginated_response(SnapshotSerializer(page, many=True).data)

    @extend_schema(
        operation_id="take_snapshot",
        summary="Freeze judgments",
        parameters=[IDEMPOTENCY_KEY],
        request=SnapshotInSerializer,
        responses={201: SnapshotSerializer, **problems(400, 409, 413, 422)},
        tags=["models"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """The same judgments are the same snapshot, and are not kept twice. `as_of` freezes them as they were then: the same
        moment and filters give the same digest, whatever was judged, changed or withdrawn since."""
        project = project_for(caller(request), slug, Role.OWNER).project
        body = SnapshotInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data

        def write() -> tuple[int, object]:
            taken = take_snapshot(
                project=project,
                by=caller(request),
                name=asked["name"],
                at=moment(asked["as_of"], "as_of") if asked["as_of"] else None,
                filters=SnapshotFilters.read(asked["filters"]),
            )
            return 201, SnapshotSerializer(find_snapshot(project, taken.digest)).data

        return written_once(request, write)


class SnapshotView(APIView):
    """One snapshot."""

    write_scope = ApiToken.Scope.MANAGE

    @extend_schema(
        operation_id="snapshot",
        summary="Get one snapshot",
        parameters=[_SNAPSHOT],
        responses={200: SnapshotSerializer, **problems(422)},
        tags=["models"],
    )
    def get(self, request: Request, slug: str, snapshot: str) -> Response:
        """By its name or its digest."""
        return Response(SnapshotSerializer(find_snapshot(_readable(request, slug), snapshot)).data)

    @extend_schema(
        operation_id="name_snapshot",
        summary="Name a snapshot",
        parameters=[_SNAPSHOT],
        request=SnapshotNameSerializer,
        responses={200: SnapshotSerializer, **problems(400, 409, 413, 422)},
        tags=["models"],
    )
    def patch(self, request: Request, slug: str, snapshot: str) -> Response:
        """Names are given once and kept."""
        found = find_snapshot(project_for(caller(request), slug, Role.OWNER).project, snapshot)
        body = SnapshotNameSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        name_snapshot(snapshot=found, name=body.validated_data["name"], by=caller(request))
        return Response(SnapshotSerializer(found).data)


class SnapshotDiffView(APIView):
    """Two snapshots side by side."""

    parameters = ("kind", "first", "limit")

    @extend_schema(
        operation_id="diff_snapshots",
        summary="Compare two snapshots",
        parameters=[
            OpenApiParameter("before", str, OpenApiParameter.PATH, description=NAMED),
            OpenApiParameter("after", str, OpenApiParameter.PATH, description=NAMED),
            OpenApiParameter("kind", str, enum=KINDS, description="Only rows of this kind."),
            OpenApiParameter("first", int, description="The row to begin with, from 0."),
            OpenApiParameter("limit", int, description="Rows, up to 1,000; 100 unless told."),
        ],
        responses={200: DiffSerializer, **problems(400, 422)},
        tags=["models"],
    )
    def get(self, request: Request, slug: str, before: str, after: str) -> Response:
        """Counts of what came, what went and what was changed by a revision, and the rows, in the order of judging."""
        project = _readable(request, slug)
        found = compare(
            before=find_snapshot(project, before),
            after=find_snapshot(project, after),
            kinds=checked_kinds(request.query_params.get("kind", "")),
            first=_number(request, "first", 0, 10**9),
            most=_number(request, "limit", 100, MOST_ROWS),
        )
        body = {
            "before": found.before.digest,
            "after": found.after.digest,
            "counts": found.counts,
            "rows": [each.as_json() for each in found.rows],
        }
        return Response(body)


def _number(request: Request, name: str, usual: int, most: int) -> int:
    given = request.query_params.get(name, str(usual))
    if not (given.isascii() and given.isdigit() and len(given) < 11 and int(given) <= most):
        raise ParseError(f"{name} is “{given[:40]}”; expected a whole number from 0 to {most:,}.")
    return int(given)
