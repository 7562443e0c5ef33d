"""Projects through the API: listed, started, set up, archived."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.access import Access, project_for
from annotator.api.content_serializers import ProjectInSerializer, SettingsInSerializer
from annotator.api.fields import expect_no_body
from annotator.api.openapi import IDEMPOTENCY_KEY, problems
from annotator.api.pagination import PARAMETERS, listed, page_of
from annotator.api.permissions import caller
from annotator.api.project_serializers import ProjectDetailSerializer, ProjectSerializer
from annotator.api.writes import written_once
from annotator.errors import AnnotatorError, Forbidden
from annotator.models import Annotator, ApiToken, Judgment, Membership, Pair, Project, Role, User
from annotator.services.projects import create_project
from annotator.services.settings import archive_project, restore_project, settings_version, update_settings

IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, required=True, description="The ETag that was read, or `*`."
)


class ProjectsView(APIView):
    """The caller's projects."""

    filters = ()
    write_scope = ApiToken.Scope.MANAGE

    @extend_schema(
        operation_id="projects",
        summary="List your projects",
        parameters=PARAMETERS,
        responses={200: page_of("ProjectPage", ProjectSerializer), **problems()},
        tags=["projects"],
    )
    def get(self, request: Request) -> Response:
        """The projects of which the token's user is a member and that the token reaches."""
        return listed(_memberships(caller(request)), request, ProjectSerializer)

    @extend_schema(
        operation_id="create_project",
        summary="Start a project",
        parameters=[IDEMPOTENCY_KEY],
        request=ProjectInSerializer,
        responses={201: ProjectDetailSerializer, **problems(400, 409, 413, 422)},
        tags=["projects"],
    )
    def post(self, request: Request) -> Response:
        """The token's user is its owner. Not for tokens that are limited to one project."""
        user = caller(request)
        if user.reaches_only is not None:
            raise Forbidden("This token is limited to one project; starting another needs one that is not.")
        body = ProjectInSerializer(data=request.data)
        body.is_valid(raise_exception=True)

        def write() -> tuple[int, object]:
            project = create_project(owner=user, **body.validated_data)
            return 201, _detail(Access(project, Role.OWNER))

        return written_once(request, write)


class ProjectView(APIView):
    """One project."""

    write_scope = ApiToken.Scope.MANAGE

    @extend_schema(
        operation_id="project",
        summary="Get one project",
        responses={200: ProjectDetailSerializer, **problems()},
        tags=["projects"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """How people are asked in it, and how much there is. The header ETag names the set-up as it is."""
        access = project_for(caller(request), slug)
        return Response(_detail(access), headers={"ETag": _etag(access.project)})

    @extend_schema(
        operation_id="change_project",
        summary="Change a project's set-up",
        parameters=[IF_MATCH],
        request=SettingsInSerializer,
        responses={200: ProjectDetailSerializer, **problems(400, 412, 413, 422, 428)},
        tags=["projects"],
    )
    def patch(self, request: Request, slug: str) -> Response:
        """What is given; the rest stays. 412 where somebody changed the set-up after you read it: nothing is written over."""
        access = project_for(caller(request), slug, Role.OWNER)
        seen = request.headers.get("If-Match", "").strip()
        if not seen:
            raise Unconditional("Send the ETag that you read as If-Match, or * to write over whatever there is.")
        body = SettingsInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        version = settings_version(access.project) if seen == "*" else seen.removeprefix("W/").strip('"')
        if version != settings_version(access.project):
            raise Changed("The set-up changed since you read it. Read it again.")
        update_settings(project=access.project, by=caller(request), seen=version, values=body.validated_data)
        return Response(_detail(access), headers={"ETag": _etag(access.project)})


class ProjectArchiveView(APIView):
    """Archiving a project, and bringing it back. ``act`` comes with the address."""

    required_scope = ApiToken.Scope.MANAGE
    act = ""

    @extend_schema(request=None, responses={200: ProjectDetailSerializer, **problems(413, 422)}, tags=["projects"])
    def post(self, request: Request, slug: str) -> Response:
        """An archived project is off the lists and asks nothing; everything stays."""
        expect_no_body(request)
        access = project_for(caller(request), slug, Role.OWNER)
        (archive_project if self.act == "archive" else restore_project)(project=access.project, by=caller(request))
        return Response(_detail(access))


class Unconditional(AnnotatorError):
    """A change without saying what was seen."""

    code = "precondition_required"
    status = 428


class Changed(AnnotatorError):
    """Somebody was faster."""

    code = "precondition_failed"
    status = 412


def _etag(project: Project) -> str:
    return f'"{settings_version(project)}"'


def _detail(access: Access) -> Any:
    return ProjectDetailSerializer(access, context={"counts": _counts(access.project)}).data


def _memberships(user: User) -> QuerySet[Membership]:
    rows = Membership.objects.filter(user=user).select_related("project")
    return rows.filter(project=user.reaches_only) if user.reaches_only else rows


def _counts(project: Project) -> dict[str, int]:
    standing = Judgment.objects.filter(project=project, current=True, withdrawn=False).exclude(choice="skip")
    return {
        "pairs": Pair.objects.filter(project=project, withdrawn_at=None).count(),
        "judgments": standing.count(),
        "annotators": Annotator.objects.filter(project=project).count(),
    }
