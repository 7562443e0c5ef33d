"""Who judges in a project, and what has been learnt of each."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.access import Access, project_for
from annotator.api.content_serializers import ObjectField
from annotator.api.fields import StrictSerializer, Text, Truth
from annotator.api.pagination import PARAMETERS, Pages
from annotator.api.permissions import caller
from annotator.errors import NotFound
from annotator.models import Annotator, ApiToken, Role
from annotator.services.members import change_annotator
from personalization.api import schemas
from personalization.api.erasures import ErasureSerializer, erase_through_api
from personalization.latents import find_person
from personalization.profile import annotator_called
from personalization.traits import traits_of
from training.serving import live_version


class AnnotatorsView(APIView):
    """The annotators of a project, for its owners and viewers."""

    filters = ()

    @extend_schema(
        operation_id="annotators",
        summary="List a project's annotators",
        parameters=PARAMETERS,
        responses={200: schemas.ANNOTATOR_PAGE, **schemas.problems()},
        tags=["annotators"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """A page, with links to the next and the previous one."""
        access = project_for(caller(request), slug, Role.OWNER, Role.VIEWER)
        pages = Pages()
        page = pages.paginate_queryset(_annotators(access), request) or []
        return pages.get_paginated_response(
            [{"ref": row.ref, "name": row.name, "simulated": row.simulated, "judgments": row.standing} for row in page]
        )


def _annotators(access: Access) -> QuerySet[Any]:
    stands = Q(judgments__current=True, judgments__withdrawn=False) & ~Q(judgments__choice="skip")
    return Annotator.objects.filter(project=access.project).annotate(standing=Count("judgments", filter=stands))


class AnnotatorChangeSerializer(StrictSerializer):
    about = ObjectField(required=False, help_text="Replaces what is there.")
    name = Text(max_length=120, required=False)
    in_training = Truth(required=False)
    paused = Truth(required=False)


class AnnotatorView(APIView):
    """One annotator, for owners and viewers, and for the annotator themselves."""

    delete_scope = ApiToken.Scope.MANAGE

    @extend_schema(
        operation_id="annotator",
        summary="What has been learnt of an annotator",
        responses={200: schemas.ANNOTATOR, **schemas.problems(503)},
        tags=["annotators"],
    )
    def get(self, request: Request, slug: str, ref: str) -> Response:
        """Their latent in summary, under the live version."""
        access = project_for(caller(request), slug)
        annotator = annotator_called(project=access.project, ref=ref)
        if annotator is None or not (access.reads or annotator.user_id == caller(request).pk):
            raise NotFound(f"There is no annotator “{ref}” in this project.")
        return Response(summary(annotator))

    @extend_schema(
        operation_id="change_annotator",
        summary="Change an annotator",
        request=AnnotatorChangeSerializer,
        responses={200: schemas.ANNOTATOR, **schemas.problems(400, 413, 422, 503)},
        tags=["annotators"],
    )
    def patch(self, request: Request, slug: str, ref: str) -> Response:
        """What is kept about them (populations can be grouped by it), their name, whether they go into the shared model, and
        whether they are asked anything. For owners."""
        access = project_for(caller(request), slug, Role.OWNER)
        annotator = annotator_called(project=access.project, ref=ref)
        if annotator is None:
            raise NotFound(f"There is no annotator “{ref}” in this project.")
        body = AnnotatorChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        change_annotator(annotator=annotator, by=caller(request), **body.validated_data)
        return Response(summary(annotator))

    @extend_schema(
        operation_id="erase_annotator",
        summary="Erase an annotator",
        responses={202: ErasureSerializer, **schemas.problems(409)},
        tags=["annotators"],
    )
    def delete(self, request: Request, slug: str, ref: str) -> Response:
        """Everything of theirs, for good: rows at once, files by a worker. Models that learnt from them are flagged. By owners,
        and by the annotator themselves; the token needs the scope `manage`."""
        return Response(ErasureSerializer(erase_through_api(caller(request), slug, ref)).data, status=202)


def summary(annotator: Annotator) -> dict[str, Any]:
    """The annotator as the API shows them."""
    served = live_version(annotator.project_id)
    person = find_person(served=served, pk=annotator.pk) if served else None
    return {
        "ref": annotator.ref,
        "name": annotator.name,
        "simulated": annotator.simulated,
        "model": served.label if served else None,
        "n_judgments": person.latent.n if person else 0,
        "fallback": not person or person.latent.n == 0,
        "updated_at": person.updated_at if person else None,
        "traits": [
            {"trait": each.name, "estimate": each.estimate, "low": each.low, "high": each.high}
            for each in (traits_of(served, person.latent) if served and person else [])
        ],
    }
