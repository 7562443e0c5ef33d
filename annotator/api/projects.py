"""``GET /api/v1/projects`` and ``GET /api/v1/projects/{slug}``."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.access import project_for
from annotator.api.openapi import problems
from annotator.api.pagination import PARAMETERS, Pages, page_of
from annotator.api.permissions import caller
from annotator.api.serializers import ProjectDetailSerializer, ProjectSerializer
from annotator.models import Annotator, Judgment, Membership, Pair, Project, User


class ProjectsView(APIView):
    """The caller's projects."""

    @extend_schema(
        operation_id="projects",
        summary="List your projects",
        parameters=PARAMETERS,
        responses={200: page_of("ProjectPage", ProjectSerializer), **problems()},
        tags=["projects"],
    )
    def get(self, request: Request) -> Response:
        """The projects of which the token's user is a member and that the token reaches."""
        pages = Pages()
        page = pages.paginate_queryset(_memberships(caller(request)), request, view=self)
        return pages.get_paginated_response(ProjectSerializer(page, many=True).data)


class ProjectView(APIView):
    """One project."""

    @extend_schema(
        operation_id="project",
        summary="Get one project",
        responses={200: ProjectDetailSerializer, **problems()},
        tags=["projects"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """How people are asked in it, and how much there is."""
        access = project_for(caller(request), slug)
        return Response(ProjectDetailSerializer(access, context={"counts": _counts(access.project)}).data)


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
