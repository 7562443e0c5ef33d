"""``GET /api/v1/projects/{slug}/export``: a project's judgments as a file, streamed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import QueryDict, StreamingHttpResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from annotator.access import project_for
from annotator.api.openapi import problems
from annotator.api.permissions import caller
from annotator.errors import Invalid
from annotator.exports.options import FILE_TYPES, FORMATS, SIDES, ExportOptions
from annotator.exports.writing import CONTENT_TYPES, export_project, file_name
from annotator.models import Role
from annotator.services.audit import record

_CHOICES: dict[str, Sequence[str]] = {"format": FORMATS, "type": FILE_TYPES, "sides": SIDES}
_HELP = {
    "format": "`judgments` as they are kept; `trl`: TRL's preference type with an explicit prompt (ties left out); `pairs`:"
    " for each pair the votes, the majority, Dawid–Skene and MACE, the known answer and the adjudicated one; `people`: each"
    " annotator's figures with 95 % intervals, effort and peer-prediction score; `known`: known answers of pairs, rankings and"
    " ratings with their texts, as they can be imported.",
    "type": "JSON lines, CSV, or (judgments and known answers) a zip of JSON lines and the pictures they are of.",
    "sides": "Judgments only. `pair`: `a` and `b` are the same two responses in every judgment of a pair, and `swapped`"
    " says that `b` was on the left. `shown`: `a` is what was on the left.",
}


class ByParameter(BaseContentNegotiation):
    """The file's type is asked for by a parameter, so any Accept header will do; errors are JSON."""

    def select_parser(self, request: Request, parsers: Any) -> Any:  # noqa: ARG002 (the library's signature)
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:  # noqa: ARG002
        return renderers[0], renderers[0].media_type


class ExportView(APIView):
    """A project's judgments as a file."""

    content_negotiation_class = ByParameter
    parameters = (*_CHOICES, "revisions")

    @extend_schema(
        operation_id="export",
        summary="Export judgments",
        parameters=[
            *(
                OpenApiParameter(name, str, enum=list(values), default=values[0], description=_HELP[name])
                for name, values in _CHOICES.items()
            ),
            OpenApiParameter(
                "revisions", bool, default=False, description="Judgments only: with those changed or withdrawn since."
            ),
        ],
        responses={
            (200, "application/jsonl"): OpenApiResponse(str, description="One row a line, streamed."),
            (200, "application/zip"): OpenApiResponse(
                bytes, description="`judgments.jsonl` or `known.jsonl`, and `pictures/`."
            ),
            (200, "text/csv"): OpenApiResponse(str, description="With a header; cells are guarded against formulas."),
            **problems(400, 422),
        },
        tags=["data"],
    )
    def get(self, request: Request, slug: str) -> StreamingHttpResponse:
        """Streamed, in the order of judging, under annotators' pseudonyms. For owners and viewers."""
        user = caller(request)
        project = project_for(user, slug, Role.OWNER, Role.VIEWER).project
        options = _options(request.query_params)
        record(project=project, by=user, what="exported", format=options.format, type=options.type)
        response = StreamingHttpResponse(export_project(project, options), content_type=CONTENT_TYPES[options.type])
        response["Content-Disposition"] = f'attachment; filename="{file_name(project, options)}"'
        response["X-Accel-Buffering"] = "no"
        return response


def _options(asked: QueryDict) -> ExportOptions:
    revisions = asked.get("revisions", "false")
    if revisions not in ("true", "false"):
        raise Invalid("revisions is true or false.", fields={"revisions": f"“{revisions}” is neither true nor false."})
    values: dict[str, Any] = {name: asked.get(name, choices[0]) for name, choices in _CHOICES.items()}
    return ExportOptions(**values, revisions=revisions == "true")
