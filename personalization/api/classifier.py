"""``GET /api/v1/projects/{slug}/classifier``: somebody's reward model to take away."""

from __future__ import annotations

from django.http import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from annotator.access import project_for
from annotator.api.exports import ByParameter
from annotator.api.openapi import problems
from annotator.api.permissions import caller
from annotator.errors import Invalid
from annotator.models import User
from annotator.ranges import file_response
from annotator.services.audit import record
from personalization.taking_away import Wanted, take_away
from personalization.voices import Asker


class ClassifierView(APIView):
    """A reward model as a folder."""

    content_negotiation_class = ByParameter
    parameters = ("model", "user", "prototype", "student")

    @extend_schema(
        operation_id="classifier",
        summary="Take a reward model away",
        parameters=[
            OpenApiParameter("model", str, description="A version such as hybrid@3; the live one unless given."),
            OpenApiParameter("user", str, description="Whose: an annotator's reference. Everybody's unless given."),
            OpenApiParameter("prototype", int, description="A prototype's instead, from 1; for models that have some."),
            OpenApiParameter(
                "student",
                str,
                description="A language model, such as `tiny`, that is fitted to the rewards where they can't be had"
                " exactly; how well it agrees is in its card.",
            ),
            OpenApiParameter("Range", str, OpenApiParameter.HEADER, description="One range of bytes."),
            OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER),
        ],
        responses={
            (200, "application/zip"): OpenApiResponse(
                bytes, description="A zip of the folder; `Attune-Exact` says whether its scores are the API's."
            ),
            (206, "application/zip"): OpenApiResponse(bytes, description="A part of it."),
            304: OpenApiResponse(description="You have it already."),
            412: OpenApiResponse(description="If-Match names another one."),
            416: OpenApiResponse(description="It has no such part."),
            **problems(409, 422),
        },
        tags=["models"],
    )
    def get(self, request: Request, slug: str) -> HttpResponseBase:
        """What `AutoModelForSequenceClassification` and TRL load: one label, safetensors, no remote code. Annotators may take
        their own and everybody's."""
        user = caller(request)
        asker = Asker(project_for(user, slug), user.pk)
        given = request.query_params
        wanted = Wanted(
            user=given.get("user"),
            prototype=as_number(given.get("prototype")),
            model=given.get("model"),
            student=given.get("student"),
        )
        return classifier_response(request, asker, wanted, by=user)


def classifier_response(request: Request, asker: Asker, wanted: Wanted, *, by: User) -> HttpResponseBase:
    """The zip, for API and page. Raises as ``take_away``."""
    taken = take_away(asker=asker, wanted=wanted)
    record(
        project=asker.access.project,
        by=by,
        what="reward model taken away",
        version=taken.about["version"],
        whose=taken.about["whose"],
        exact=taken.about["exact"],
    )
    response = file_response(
        request, taken.kept.path, etag=taken.kept.sha256, content_type="application/zip", name=taken.name
    )
    response["Attune-Exact"] = str(taken.about["exact"]).lower()
    response["Attune-Model"] = taken.about["version"]
    return response


def as_number(text: str | None) -> int | None:
    """A prototype's number. Raises ``Invalid``."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise Invalid(
            _("prototype is a number."),
            fields={"prototype": _("is “%(value)s”; expected a number from 1") % {"value": text[:20]}},
        )
    return int(text)
