"""Lineage and erasure through the API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.access import project_for
from annotator.api.fields import expect_no_body
from annotator.api.openapi import problems
from annotator.api.pagination import PARAMETERS, Pages, page_of
from annotator.api.permissions import caller
from annotator.errors import NotFound
from annotator.models import Annotator, ApiToken, Erasure, JobState, Role, User
from personalization.erasing import erase_annotator, remains
from personalization.profile import annotator_called
from training.api.serializers import RunSerializer
from training.lineage import footprint_of, retrain
from training.models import Run
from training.selectors import version_named


class InSnapshotSerializer(serializers.Serializer[Any]):
    digest = serializers.CharField()
    name = serializers.CharField()
    judgments = serializers.IntegerField(help_text="Of this annotator.")


@extend_schema_serializer(component_name="Lineage")
class LineageSerializer(serializers.Serializer[Any]):
    """Where an annotator's judgments have gone."""

    snapshots = InSnapshotSerializer(many=True)
    models = serializers.ListField(child=serializers.CharField(), help_text="Learnt from theirs among others'.")
    policies = serializers.ListField(child=serializers.CharField())
    own_policies = serializers.ListField(child=serializers.CharField(), help_text="Of this annotator alone.")


@extend_schema_serializer(component_name="Erasure")
class ErasureSerializer(serializers.Serializer[Any]):
    """What was removed, and what remains of it."""

    id = serializers.UUIDField(source="key")
    state = serializers.ChoiceField(JobState.choices, help_text="Rows are gone at once; done: from files too.")
    by_themselves = serializers.BooleanField()
    reapplied = serializers.BooleanField(help_text="Again, after a backup had brought it back.")
    judgments = serializers.IntegerField(help_text="With all revisions.")
    removed = serializers.SerializerMethodField(help_text="Rows by what they were.")
    flagged = serializers.SerializerMethodField(help_text="Models and policies that learnt from them.")
    remains = serializers.SerializerMethodField(help_text="What is left and why, in sentences.")
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}})
    def get_removed(self, erasure: Erasure) -> dict[str, int]:
        removed: dict[str, int] = erasure.report.get("removed", {})
        return removed

    def get_flagged(self, erasure: Erasure) -> list[str]:
        return [*erasure.report.get("models", ()), *erasure.report.get("policies", ())]

    def get_remains(self, erasure: Erasure) -> list[str]:
        return remains(erasure)


class LineageView(APIView):
    """Where somebody's judgments have gone."""

    parameters = ("annotator",)

    @extend_schema(
        operation_id="lineage",
        summary="Where an annotator's judgments have gone",
        parameters=[OpenApiParameter("annotator", str, required=True, description="Their reference.")],
        responses={200: LineageSerializer, **problems(400)},
        tags=["annotators"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Snapshots, models and policies. For owners and viewers, and for the annotator themselves."""
        user = caller(request)
        access = project_for(user, slug)
        annotator = annotator_called(project=access.project, ref=request.query_params.get("annotator", ""))
        if annotator is None or not (access.reads or annotator.user_id == user.pk):
            raise NotFound("There is no such annotator in this project.")
        found = footprint_of(annotator)
        body = {
            "snapshots": [
                {"digest": each.digest, "name": each.name, "judgments": count} for each, count in found.snapshots
            ],
            "models": [each.label for each in found.versions],
            "policies": [each.label for each in found.policies],
            "own_policies": [each.label for each in found.personal],
        }
        return Response(body)


class ErasuresView(APIView):
    """A project's erasures."""

    filters = ()

    @extend_schema(
        operation_id="erasures",
        summary="List erasures",
        parameters=PARAMETERS,
        responses={200: page_of("ErasurePage", ErasureSerializer), **problems(400)},
        tags=["annotators"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """What was erased, oldest first. For owners and viewers."""
        project = project_for(caller(request), slug, Role.OWNER, Role.VIEWER).project
        pages = Pages()
        page = pages.paginate_queryset(Erasure.objects.filter(project=project), request, view=self)
        return pages.get_paginated_response(ErasureSerializer(page, many=True).data)


class ErasureView(APIView):
    """One erasure."""

    @extend_schema(
        operation_id="erasure",
        summary="Get one erasure",
        responses={200: ErasureSerializer, **problems()},
        tags=["annotators"],
    )
    def get(self, request: Request, slug: str, key: UUID) -> Response:
        """How far it is, what it removed and what remains. For owners and viewers."""
        project = project_for(caller(request), slug, Role.OWNER, Role.VIEWER).project
        found = Erasure.objects.filter(project=project, key=key).first()
        if found is None:
            raise NotFound(f"There is no erasure {key} in this project.")
        return Response(ErasureSerializer(found).data)


class RetrainView(APIView):
    """Learning again without those who were erased."""

    required_scope = ApiToken.Scope.MANAGE

    @extend_schema(
        operation_id="retrain",
        summary="Train a version again without those who were erased",
        parameters=[OpenApiParameter("version", str, OpenApiParameter.PATH, description="hybrid@3, or 3.")],
        request=None,
        responses={201: RunSerializer, **problems(400, 409, 422)},
        tags=["models"],
    )
    def post(self, request: Request, slug: str, version: str) -> Response:
        """The same model with the same settings on the same snapshot as it is now. What replaces the live version is promoted
        when it is done and not worse."""
        expect_no_body(request)
        project = project_for(caller(request), slug, Role.OWNER).project
        run = retrain(version=version_named(project, version.replace("\x00", "\ufffd")), by=caller(request))
        assert isinstance(run, Run)
        return Response(RunSerializer(run).data, status=201)


def erase_through_api(user: User, slug: str, ref: str) -> Erasure:
    """By an owner, or by the annotator themselves. Raises ``NotFound`` as reading does."""
    access = project_for(user, slug)
    annotator: Annotator | None = annotator_called(project=access.project, ref=ref)
    mine = annotator is not None and annotator.user_id == user.pk
    if annotator is None or not (access.owns or mine):
        raise NotFound(f"There is no annotator “{ref}” in this project.")
    return erase_annotator(annotator=annotator, by=user, by_themselves=mine)
