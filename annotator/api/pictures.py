"""Pictures of responses through the API, and what came of following responses."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.access import project_for
from annotator.api.content import owned, reading
from annotator.api.content_serializers import (
    ConsequencesInSerializer,
    PictureInSerializer,
    PictureSerializer,
    PromptDetailSerializer,
)
from annotator.api.exports import ByParameter
from annotator.api.imports import AnyFile
from annotator.api.openapi import problems
from annotator.api.pagination import PARAMETERS, Pages, page_of
from annotator.api.parsers import StrictJSONParser, TooLarge
from annotator.api.permissions import caller
from annotator.errors import Invalid
from annotator.models import Picture, Project
from annotator.models import Response as ResponseRow
from annotator.pictures import MAX_BYTES
from annotator.services.content import set_consequences
from annotator.services.pictures import add_picture, fetch_picture, picture_named
from annotator.views.pictures import picture_response


class PicturesView(APIView):
    """The pictures of a project."""

    parser_classes = [StrictJSONParser, AnyFile]
    filters = ()

    @extend_schema(
        operation_id="pictures",
        summary="List pictures",
        parameters=PARAMETERS,
        responses={200: page_of("PicturePage", PictureSerializer), **problems(400)},
        tags=["content"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Oldest first. For owners and viewers."""
        pages = Pages()
        page = pages.paginate_queryset(Picture.objects.filter(project=reading(request, slug)), request, view=self)
        return pages.get_paginated_response(PictureSerializer(page, many=True).data)

    @extend_schema(
        operation_id="add_picture",
        summary="Add a picture",
        request={
            "application/json": PictureInSerializer,
            "application/octet-stream": {"type": "string", "format": "binary"},
        },
        responses={201: PictureSerializer, **problems(400, 413, 422)},
        tags=["content"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """PNG, JPEG, WebP or GIF (its first frame), as the body or by address. It is written anew without what else the file
        held. The same picture again is the same one, so no key is needed."""
        project = owned(request, slug)
        if hasattr(request.data, "read"):
            added = add_picture(project=project, data=_body(request.data))
        else:
            body = PictureInSerializer(data=request.data)
            body.is_valid(raise_exception=True)
            added = fetch_picture(project=project, url=body.validated_data["url"])
        return Response(PictureSerializer(added).data, status=201)


class PictureView(APIView):
    """One picture."""

    content_negotiation_class = ByParameter

    @extend_schema(
        operation_id="picture",
        summary="Get a picture",
        responses={(200, "image/*"): OpenApiResponse(bytes, description="The stored file."), **problems()},
        tags=["content"],
    )
    def get(self, request: Request, slug: str, name: str) -> HttpResponseBase:
        """For every member of the project. What has a name never changes."""
        project = project_for(caller(request), slug).project
        return picture_response(request._request, picture_named(project=project, name=name))  # noqa: SLF001


class ConsequencesView(APIView):
    """What came of following responses."""

    @extend_schema(
        operation_id="set_consequences",
        summary="Say what came of following responses",
        request=ConsequencesInSerializer,
        responses={200: PromptDetailSerializer(many=True), **problems(400, 413, 422)},
        tags=["content"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Shown to annotators for a second look, at the project's `hindsight_rate`. All or nothing."""
        project = owned(request, slug)
        body = ConsequencesInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        named = _named(project, body.validated_data["consequences"])
        set_consequences(project=project, by=caller(request), consequences=named)
        prompts = project.prompts.filter(responses__in=named).distinct().order_by("id")
        return Response(PromptDetailSerializer(prompts, many=True).data)


def _named(project: Project, rows: list[dict[str, Any]]) -> dict[int, str]:
    """The texts by the responses' ids. Raises ``Invalid`` for a response that is not there."""
    prompts = {row["prompt"] for row in rows}
    stored = ResponseRow.objects.filter(prompt__project=project, prompt__ref__in=prompts)
    known = {(prompt, ref): pk for prompt, ref, pk in stored.values_list("prompt__ref", "ref", "pk")}
    for n, row in enumerate(rows):
        if (row["prompt"], row["response"]) not in known:
            problem = f"The prompt “{row['prompt']}” has no response “{row['response']}”."
            raise Invalid(problem, fields={f"consequences.{n}.response": problem})
    return {known[row["prompt"], row["response"]]: row["text"] for row in rows}


def _body(stream: Any) -> bytes:
    data: bytes = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise TooLarge(f"The picture has more than {MAX_BYTES:,} bytes.")
    if not data:
        raise Invalid("The body is empty; expected a picture.")
    return data
