"""Runs and versions through the API: start, watch, stop, promote."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.access import Access, project_for
from annotator.api.fields import expect_no_body
from annotator.api.openapi import IDEMPOTENCY_KEY, problems
from annotator.api.pagination import PARAMETERS, listed, page_of
from annotator.api.permissions import caller
from annotator.api.writes import written_once
from annotator.models import ApiToken, Project, Role
from attune import rewards
from attune.rewards.settings import expected
from training import registry, selectors
from training.api.serializers import (
    KindSerializer,
    PromoteSerializer,
    RunInSerializer,
    RunSerializer,
    VersionSerializer,
)
from training.models import ModelVersion, Run
from training.runs import cancel_run, start_run
from training.snapshot_selectors import find_snapshot

_NUMBER = OpenApiParameter("number", int, OpenApiParameter.PATH, description="1, 2, 3 … within the project.")
_VERSION = OpenApiParameter("version", str, OpenApiParameter.PATH, description="hybrid@3, or 3.")


def _reading(request: Request, slug: str) -> Access:
    return project_for(caller(request), slug, Role.OWNER, Role.VIEWER)


def _managed(request: Request, slug: str) -> Project:
    return project_for(caller(request), slug, Role.OWNER).project


class KindsView(APIView):
    """The models that there are."""

    @extend_schema(
        operation_id="model_kinds",
        summary="List the models that can be trained",
        responses={200: KindSerializer(many=True), **problems()},
        tags=["models"],
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002 (REST framework's signature)
        """Each with the settings that `options` of a run may name."""
        return Response([_kind(name) for name in rewards.names()])


def _kind(name: str) -> dict[str, object]:
    settings = [
        {"name": each.name, "default": each.default, "takes": expected(each), "about": each.about}
        for each in rewards.settings(name)
    ]
    return {"name": name, "settings": settings}


class RunsView(APIView):
    """A project's runs."""

    filters = ()
    write_scope = ApiToken.Scope.MANAGE

    @extend_schema(
        operation_id="runs",
        summary="List runs",
        parameters=PARAMETERS,
        responses={200: page_of("RunPage", RunSerializer), **problems()},
        tags=["models"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Attempts to fit a model, oldest first."""
        rows = Run.objects.filter(project=_reading(request, slug).project).select_related("version", "snapshot")
        return listed(rows, request, RunSerializer)

    @extend_schema(
        operation_id="start_run",
        summary="Start a run",
        parameters=[IDEMPOTENCY_KEY],
        request=RunInSerializer,
        responses={201: RunSerializer, **problems(400, 409, 413, 422)},
        tags=["models"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """A worker fits the model on the snapshot, or on the judgments of that moment. 409 while the same is in work."""
        project = _managed(request, slug)
        body = RunInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data

        def write() -> tuple[int, object]:
            run = start_run(
                project=project,
                by=caller(request),
                model_name=asked["model"],
                options=asked["options"],
                doubtful=asked["doubtful"],
                seed=asked["seed"],
                promote_when_done=asked["promote"],
                snapshot=find_snapshot(project, asked["snapshot"]) if asked["snapshot"] is not None else None,
            )
            return 201, RunSerializer(run).data

        return written_once(request, write)


class RunView(APIView):
    """One run."""

    @extend_schema(
        operation_id="run",
        summary="Get one run",
        parameters=[_NUMBER],
        responses={200: RunSerializer, **problems()},
        tags=["models"],
    )
    def get(self, request: Request, slug: str, number: int) -> Response:
        """How far it is, or what came of it."""
        return Response(RunSerializer(selectors.find_run(_reading(request, slug).project, number)).data)


class RunCancelView(APIView):
    """Stopping a run."""

    required_scope = ApiToken.Scope.MANAGE

    @extend_schema(
        operation_id="cancel_run",
        summary="Stop a run",
        parameters=[_NUMBER],
        request=None,
        responses={200: RunSerializer, **problems(413, 422)},
        tags=["models"],
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        """At once where it waits, at its next sign of life where it works. One that is over stays as it is."""
        expect_no_body(request)
        run = selectors.find_run(_managed(request, slug), number)
        cancel_run(run=run, by=caller(request))
        return Response(RunSerializer(run).data)


class VersionsView(APIView):
    """A project's model versions."""

    filters = ()

    @extend_schema(
        operation_id="versions",
        summary="List model versions",
        parameters=PARAMETERS,
        responses={200: page_of("ModelVersionPage", VersionSerializer), **problems()},
        tags=["models"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Oldest first; at most one is live."""
        rows = ModelVersion.objects.filter(project=_reading(request, slug).project).select_related("run")
        return listed(rows, request, VersionSerializer)


class PromoteView(APIView):
    """Making a version live."""

    required_scope = ApiToken.Scope.MANAGE

    @extend_schema(
        operation_id="promote",
        summary="Promote a version",
        parameters=[_VERSION],
        request=PromoteSerializer,
        responses={200: VersionSerializer, **problems(400, 409, 413, 422)},
        tags=["models"],
    )
    def post(self, request: Request, slug: str, version: str) -> Response:
        """It answers from now on, in place of the live one. Promoting the live one changes nothing."""
        project = _managed(request, slug)
        body = PromoteSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        found = selectors.version_named(project, version.replace("\x00", "\ufffd"))
        registry.promote(version=found, by=caller(request), reason=body.validated_data["reason"])
        found.refresh_from_db()
        return Response(VersionSerializer(found).data)
