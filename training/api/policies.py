"""Policies and their runs through the API: start, watch, stop, continue."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.access import Access, project_for
from annotator.api.fields import StrictSerializer, Text, Whole, expect_no_body
from annotator.api.openapi import IDEMPOTENCY_KEY, problems
from annotator.api.pagination import PARAMETERS, listed, page_of
from annotator.api.permissions import caller
from annotator.api.writes import written_once
from annotator.models import JobState, Project, Role
from training import policy_selectors as selectors
from training.models import PolicyRun, PolicyVersion, Scope
from training.policy_runs import cancel_policy_run, continue_policy_run, start_policy_run
from training.snapshot_selectors import find_snapshot

_NUMBER = OpenApiParameter("number", int, OpenApiParameter.PATH, description="1, 2, 3 … within the project.")


@extend_schema_serializer(component_name="PolicyRunIn")
class PolicyRunInSerializer(StrictSerializer):
    """Everything has a default: the tiny base model, dpo, for everyone."""

    scope = serializers.ChoiceField(Scope.choices, default=Scope.EVERYONE)
    prototype = Whole(min_value=1, max_value=12, allow_null=True, default=None, help_text="Which group, from 1.")
    annotator = Text(max_length=200, allow_null=True, default=None, help_text="The annotator's reference.")
    groups = Whole(min_value=2, max_value=12, default=3, help_text="Into how many groups annotators are parted.")
    snapshot = Text(
        max_length=80,
        allow_null=True,
        default=None,
        help_text="A snapshot's name or digest; null: the judgments as they are when it begins.",
    )
    settings = serializers.DictField(
        default=dict, help_text="method, base, epochs, rationales … as in docs/policies.md."
    )


@extend_schema_serializer(component_name="PolicyRun")
class PolicyRunSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    state = serializers.ChoiceField(JobState.choices)
    scope = serializers.ChoiceField(Scope.choices)
    prototype = serializers.IntegerField(allow_null=True)
    annotator = serializers.SerializerMethodField()
    settings = serializers.JSONField()
    opinions_of = serializers.CharField(
        source="judge",
        allow_null=True,
        help_text="The preference model whose opinions it learns, and no judgments of people; null: it learns judgments.",
    )
    progress = serializers.SerializerMethodField()
    error = serializers.CharField()
    policy = serializers.SerializerMethodField(help_text="What came of it, such as policy@3.")
    metrics = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field({"type": ["string", "null"]})
    def get_annotator(self, run: PolicyRun) -> str | None:
        return run.annotator.ref if run.annotator else None

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_progress(self, run: PolicyRun) -> dict[str, Any]:
        progress: dict[str, Any] = run.progress
        return progress

    @extend_schema_field({"type": ["string", "null"]})
    def get_policy(self, run: PolicyRun) -> str | None:
        version: PolicyVersion | None = getattr(run, "version", None)
        return version.label if version else None

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "number"}})
    def get_metrics(self, run: PolicyRun) -> dict[str, Any]:
        metrics: dict[str, Any] = run.metrics
        return metrics


@extend_schema_serializer(component_name="Policy")
class PolicySerializer(serializers.Serializer[Any]):
    label = serializers.CharField()  # type: ignore[assignment]
    number = serializers.IntegerField()
    scope = serializers.ChoiceField(Scope.choices)
    prototype = serializers.IntegerField(allow_null=True)
    annotator = serializers.SerializerMethodField()
    base = serializers.CharField()
    digest = serializers.CharField()
    retired = serializers.BooleanField()
    erased = serializers.IntegerField(help_text="People in its snapshot who were erased since it was made.")
    run = serializers.IntegerField(source="run.number")
    opinions_of = serializers.CharField(
        source="run.judge", allow_null=True, help_text="The preference model that it learnt from; null: people."
    )
    metrics = serializers.DictField(child=serializers.FloatField(allow_null=True))
    created_at = serializers.DateTimeField()

    @extend_schema_field({"type": ["string", "null"]})
    def get_annotator(self, version: PolicyVersion) -> str | None:
        return version.annotator.ref if version.annotator else None


def _reading(request: Request, slug: str) -> Access:
    return project_for(caller(request), slug, Role.OWNER, Role.VIEWER)


def _owned(request: Request, slug: str) -> Project:
    return project_for(caller(request), slug, Role.OWNER).project


class PolicyRunsView(APIView):
    """A project's policy runs."""

    filters = ()

    @extend_schema(
        operation_id="policy_runs",
        summary="List policy runs",
        parameters=PARAMETERS,
        responses={200: page_of("PolicyRunPage", PolicyRunSerializer), **problems()},
        tags=["policies"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Oldest first."""
        rows = PolicyRun.objects.filter(project=_reading(request, slug).project).select_related(
            "version", "judge", "annotator"
        )
        return listed(rows, request, PolicyRunSerializer)

    @extend_schema(
        operation_id="start_policy_run",
        summary="Train a policy",
        parameters=[IDEMPOTENCY_KEY],
        request=PolicyRunInSerializer,
        responses={201: PolicyRunSerializer, **problems(400, 409, 413, 422)},
        tags=["policies"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """A worker trains it on the judgments of that moment. 409 while the same is in work."""
        project = _owned(request, slug)
        body = PolicyRunInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data

        def write() -> tuple[int, object]:
            run = start_policy_run(
                project=project,
                by=caller(request),
                scope=asked["scope"],
                prototype=asked["prototype"],
                annotator=selectors.annotator_named(project, ref) if (ref := asked["annotator"]) is not None else None,
                groups=asked["groups"],
                chosen=asked["settings"],
                snapshot=find_snapshot(project, asked["snapshot"]) if asked["snapshot"] is not None else None,
            )
            return 201, PolicyRunSerializer(run).data

        return written_once(request, write)


class PolicyRunView(APIView):
    """One policy run."""

    @extend_schema(
        operation_id="policy_run",
        summary="Get one policy run",
        parameters=[_NUMBER],
        responses={200: PolicyRunSerializer, **problems()},
        tags=["policies"],
    )
    def get(self, request: Request, slug: str, number: int) -> Response:
        """How far it is, or what came of it."""
        return Response(PolicyRunSerializer(selectors.find_policy_run(_reading(request, slug).project, number)).data)


class PolicyRunCancelView(APIView):
    """Stopping a policy run."""

    @extend_schema(
        operation_id="cancel_policy_run",
        summary="Stop a policy run",
        parameters=[_NUMBER],
        request=None,
        responses={200: PolicyRunSerializer, **problems(413, 422)},
        tags=["policies"],
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        """At once where it waits, with a checkpoint where it works. One that is over stays as it is."""
        expect_no_body(request)
        run = selectors.find_policy_run(_owned(request, slug), number)
        cancel_policy_run(run=run, by=caller(request))
        return Response(PolicyRunSerializer(run).data)


class PolicyRunContinueView(APIView):
    """Taking a policy run up again."""

    @extend_schema(
        operation_id="continue_policy_run",
        summary="Continue a policy run",
        parameters=[_NUMBER],
        request=None,
        responses={200: PolicyRunSerializer, **problems(409, 413, 422)},
        tags=["policies"],
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        """From its last checkpoint, where it was stopped or has failed."""
        expect_no_body(request)
        run = selectors.find_policy_run(_owned(request, slug), number)
        continue_policy_run(run=run, by=caller(request))
        return Response(PolicyRunSerializer(run).data)


class PoliciesView(APIView):
    """A project's policies."""

    filters = ()

    @extend_schema(
        operation_id="policies",
        summary="List policies",
        parameters=PARAMETERS,
        responses={200: page_of("PolicyPage", PolicySerializer), **problems()},
        tags=["policies"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Oldest first."""
        project = _reading(request, slug).project
        rows = PolicyVersion.objects.filter(project=project).select_related("run__judge", "annotator")
        return listed(rows, request, PolicySerializer)
