"""``GET /api/v1/projects/{slug}/dataset``: judgments in the forms that trainers read, as a file with an ETag."""

from __future__ import annotations

from dataclasses import fields

from django.http import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from annotator.access import project_for
from annotator.api.exports import ByParameter
from annotator.api.openapi import problems
from annotator.api.permissions import caller
from annotator.exports.dataset_options import CHOICES, DatasetOptions
from annotator.exports.datasets import CONTENT_TYPES, dataset_name
from annotator.exports.keeping import kept_dataset
from annotator.models import Role
from annotator.ranges import file_response
from annotator.services.audit import record

_HELP = {
    "form": "`preference`, `implicit`, `kto`, `prompts`, `sft`: TRL's types. `reward`: with margins. `ranked`: each"
    " annotator's order of a prompt's responses. `rationales`, `spans`: why, in words and in marked stretches. `contexts`:"
    " a row for each annotator. `label_studio`, `argilla`: as those tools import.",
    "type": "`folder` is a zip of a folder that `datasets.load_dataset` opens, with a card and Croissant metadata.",
    "ties": "Left out, or in both directions, marked.",
    "both_good": "Left out, or treated as ties; in `kto` both are then desirable.",
    "both_bad": "Left out, or treated as ties; in `kto` both are then undesirable.",
    "flagged": "Judgments of pairs that somebody flagged.",
    "repeats": "Hidden second looks.",
    "hindsight": "Of pairs judged again once the consequences were shown: the first judgment, the second, or both.",
    "people": "Those who let their judgments go into training, or all.",
    "failed_checks": "Annotators whom their checks have dropped.",
    "simulated": "Simulated annotators.",
    "split": "Whole annotators, whole prompts, or by time.",
    "names": "Annotators by a hash of this dataset's own, or by their references.",
}


class DatasetView(APIView):
    """A project's judgments as a dataset."""

    content_negotiation_class = ByParameter
    parameters = tuple(each.name for each in fields(DatasetOptions))

    @extend_schema(
        operation_id="dataset",
        summary="Get a dataset",
        parameters=[
            *(
                OpenApiParameter(
                    name, str, enum=list(values), default=getattr(DatasetOptions(), name), description=_HELP[name]
                )
                for name, values in CHOICES.items()
            ),
            OpenApiParameter("held_out", float, default=0.1, description="Share of each of validation and test."),
            OpenApiParameter(
                "salt", str, description="Other pseudonyms than another dataset's. At most 200 characters."
            ),
            OpenApiParameter("Range", str, OpenApiParameter.HEADER, description="One range of bytes."),
            OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER),
        ],
        responses={
            (200, "application/octet-stream"): OpenApiResponse(
                bytes, description="The file; `Attune-Rows` says how many."
            ),
            (206, "application/octet-stream"): OpenApiResponse(bytes, description="A part of it."),
            304: OpenApiResponse(description="You have it already."),
            412: OpenApiResponse(description="If-Match names another one."),
            416: OpenApiResponse(description="It has no such part."),
            **problems(400, 422),
        },
        tags=["data"],
    )
    def get(self, request: Request, slug: str) -> HttpResponseBase:
        """The same question about unchanged data gives the same bytes; the ETag is their sha256. For owners and viewers."""
        user = caller(request)
        project = project_for(user, slug, Role.OWNER, Role.VIEWER).project
        options = DatasetOptions.read(dict(request.query_params.items()))
        kept = kept_dataset(project=project, options=options)
        record(
            project=project, by=user, what="dataset exported", form=options.form, type=options.type, sha256=kept.sha256
        )
        response = file_response(
            request,
            kept.path,
            etag=kept.sha256,
            content_type=CONTENT_TYPES[options.type],
            name=dataset_name(project, options),
        )
        response["Attune-Rows"] = str(kept.rows)
        return response
