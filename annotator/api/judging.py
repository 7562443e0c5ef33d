"""Judging through the API, for people who bring their own page: the next pair, judgments, taking them back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.access import Access, project_for
from annotator.api.fields import expect_no_body
from annotator.api.next_serializers import NextSerializer
from annotator.api.openapi import IDEMPOTENCY_KEY, problems
from annotator.api.pagination import PARAMETERS, listed, page_of
from annotator.api.permissions import caller
from annotator.api.project_serializers import AspectOutSerializer
from annotator.api.serializers import (
    BulkJudgmentsSerializer,
    BulkStoredSerializer,
    JudgmentDetailSerializer,
    JudgmentInSerializer,
    JudgmentSerializer,
    JudgmentStoredSerializer,
    RevisionInSerializer,
    answer_from,
    as_side,
    know_refs,
)
from annotator.api.writes import client_key, idempotency_key, written_once
from annotator.errors import AnnotatorError, NotFound
from annotator.models import HINDSIGHT, Annotator, ApiToken, Assignment, Judgment, Project, Role, User
from annotator.services.answers import as_shown, ranking_as_shown
from annotator.services.asking import Task, next_task
from annotator.services.aspects import aspects_of
from annotator.services.dealing import Dealt, Shown
from annotator.services.judging import record, revise, withdraw
from annotator.services.layouts import layout_of
from annotator.services.opinions import opinions_after
from annotator.services.people import annotator_by_ref, annotator_of

_WITH = (*("annotator", "pair__prompt", "pair__response_a", "pair__response_b", "lineup__prompt", "rationale", "flag"),)
_SPANS = ("spans__judgment__pair", "spans__judgment__lineup")
_ANNOTATOR = OpenApiParameter("annotator", str, description="Reference of an annotator.")


class NextView(APIView):
    """What to judge next."""

    required_scope = ApiToken.Scope.WRITE  # it lends a pair
    parameters = ("annotator", "kind")

    @extend_schema(
        operation_id="next_pair",
        summary="Get what to judge next: a pair, a ranking or a rating",
        parameters=[
            OpenApiParameter(
                "annotator",
                str,
                description="Whom to ask, by your own reference; made on first use. Owners only; without it the"
                " token's user is asked.",
            ),
            OpenApiParameter("kind", str, enum=Judgment.Kind.values, description="Only of this kind."),
        ],
        responses={
            200: NextSerializer,
            204: OpenApiResponse(description="Nothing is left for this annotator."),
            **problems(422),
        },
        tags=["judging"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Lends it to the annotator until `lease_until`. Until it is judged, the same comes again. Of several kinds that the
        project asks for, each comes as often as the others."""
        access = project_for(caller(request), slug, Role.OWNER, Role.ANNOTATOR)
        annotator = _asked(access, caller(request), request.query_params.get("annotator"))
        dealt = next_task(annotator=annotator, kind=request.query_params.get("kind", ""))
        return Response(_next(dealt, annotator)) if dealt else Response(status=204)


class JudgmentsView(APIView):
    """Judgments of a project."""

    filters = ("annotator",)

    @extend_schema(
        operation_id="judgments",
        summary="List judgments",
        parameters=[*PARAMETERS, _ANNOTATOR],
        responses={200: page_of("JudgmentPage", JudgmentSerializer), **problems()},
        tags=["judging"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Judgments that stand (no earlier revisions, nothing withdrawn), oldest first. For owners and viewers."""
        access = project_for(caller(request), slug, Role.OWNER, Role.VIEWER)
        rows = _standing(access, request.query_params.get("annotator"))
        return listed(rows, request, JudgmentSerializer, prepare=know_refs)

    @extend_schema(
        operation_id="judge",
        summary="Send a judgment",
        parameters=[IDEMPOTENCY_KEY],
        request=JudgmentInSerializer,
        responses={201: JudgmentStoredSerializer, **problems(400, 409, 413, 422)},
        tags=["judging"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Stores what was said of a pair that was lent through `next`. 409 `lease_lost`: others have it by now."""
        access = project_for(caller(request), slug, Role.OWNER, Role.ANNOTATOR)
        key = idempotency_key(request)
        body = JudgmentInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        answer, assignment_key = body.answer(), body.validated_data["assignment"]

        def write() -> tuple[int, object]:
            recorded = record(
                annotator=_holder(access, caller(request), assignment_key),
                assignment_key=assignment_key,
                client_key=client_key(request, key),
                answer=answer,
                source=Judgment.Source.API,
            )
            return 201, _stored(recorded.judgment, assignment_key, caller(request))

        return written_once(request, write)


class JudgmentView(APIView):
    """One judgment."""

    @extend_schema(
        operation_id="judgment",
        summary="Get one judgment",
        responses={200: JudgmentDetailSerializer, **problems()},
        tags=["judging"],
    )
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """With its reasons, marks, and all that was said before. For owners and viewers, and for who made it."""
        access = project_for(caller(request), slug)
        judgment = Judgment.objects.filter(pk=pk, project=access.project).select_related("annotator").first()
        if judgment is None or not (access.reads or judgment.annotator.user_id == caller(request).pk):
            raise NotFound(f"There is no judgment {pk}, or it is not yours.")
        return Response(JudgmentDetailSerializer(_revisions(judgment)).data)


class ReviseView(APIView):
    """Changing one's mind."""

    @extend_schema(
        operation_id="revise_judgment",
        summary="Change a judgment",
        parameters=[IDEMPOTENCY_KEY],
        request=RevisionInSerializer,
        responses={201: JudgmentStoredSerializer, **problems(400, 409, 413, 422)},
        tags=["judging"],
    )
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """A new revision; what was said before stays in the history. Sides as they were shown then."""
        access = project_for(caller(request), slug, Role.OWNER, Role.ANNOTATOR)
        judgment = _own_judgment(access, caller(request), pk)
        key = idempotency_key(request)
        body = RevisionInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        answer = body.answer()

        def write() -> tuple[int, object]:
            revised = revise(
                annotator=judgment.annotator,
                judgment_id=pk,
                client_key=client_key(request, key),
                answer=answer,
                source=Judgment.Source.API,
            ).judgment
            revised.annotator = judgment.annotator
            return 201, _stored(revised, revised.assignment.key if revised.assignment else None, caller(request))

        return written_once(request, write)


class BulkJudgmentsView(APIView):
    """Many answers at once."""

    @extend_schema(
        operation_id="judge_many",
        summary="Send many judgments",
        parameters=[IDEMPOTENCY_KEY],
        request=BulkJudgmentsSerializer,
        responses={200: BulkStoredSerializer, **problems(400, 409, 413, 422)},
        tags=["judging"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Up to 1,000, each by itself: one that is refused does not stop the others, and its place says why. For judgments
        with texts of your own rather than pairs that were lent, see `bulk`."""
        access = project_for(caller(request), slug, Role.OWNER, Role.ANNOTATOR)
        key = idempotency_key(request)
        body = BulkJudgmentsSerializer(data=request.data)
        body.is_valid(raise_exception=True)

        def write() -> tuple[int, object]:
            rows = body.validated_data["judgments"]
            return 200, {"results": [_one_of_many(request, access, key, n, row) for n, row in enumerate(rows)]}

        return written_once(request, write)


def _one_of_many(request: Request, access: Access, key: str, number: int, said: dict[str, Any]) -> dict[str, Any]:
    try:
        with transaction.atomic():
            recorded = record(
                annotator=_holder(access, caller(request), said["assignment"]),
                assignment_key=said["assignment"],
                client_key=client_key(request, key, f":{number}"),
                answer=answer_from(said),
                source=Judgment.Source.API,
            )
            return {
                "status": 201,
                "judgment": _stored(recorded.judgment, said["assignment"], caller(request)),
                "problem": None,
            }
    except AnnotatorError as error:
        problem = {"status": error.status, "code": error.code, "detail": str(error), "fields": error.fields}
        return {"status": error.status, "judgment": None, "problem": problem}


def _revisions(judgment: Judgment) -> dict[str, Any]:
    """The current revision with what came before it."""
    rows = Judgment.objects.filter(
        annotator=judgment.annotator_id, pair=judgment.pair_id, lineup=judgment.lineup_id, occasion=judgment.occasion
    ).select_related(*_WITH)
    every = know_refs(rows.prefetch_related(*_SPANS).order_by("revision"))
    return {"current": every[-1], "revisions": every}


class WithdrawView(APIView):
    """Taking a judgment back."""

    @extend_schema(
        operation_id="withdraw_judgment",
        summary="Take a judgment back",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={200: JudgmentStoredSerializer, **problems(400, 409, 422)},
        tags=["judging"],
    )
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """It counts no more and its slot is free for others; its history stays. `id` may be any revision of it."""
        access = project_for(caller(request), slug, Role.OWNER, Role.ANNOTATOR)
        judgment = _own_judgment(access, caller(request), pk)
        key = idempotency_key(request)
        expect_no_body(request)

        def write() -> tuple[int, object]:
            own_key = client_key(request, key)
            taken_back = withdraw(annotator=judgment.annotator, judgment_id=pk, client_key=own_key).judgment
            return 200, _stored(
                taken_back, taken_back.assignment.key if taken_back.assignment else None, caller(request)
            )

        return written_once(request, write)


# --- who ------------------------------------------------------------------------------------------------------------


def _asked(access: Access, user: User, ref: str | None) -> Annotator:
    """Owners ask anybody by reference; everybody asks themselves."""
    if ref is None:
        return annotator_of(project=access.project, user=user)
    if access.owns:
        return annotator_by_ref(project=access.project, ref=ref)
    own = annotator_of(project=access.project, user=user)
    if own.ref != ref:
        raise NotFound("There is no such annotator, or it is not you.")
    return own


def _may_speak_for(access: Access, user: User, annotator: Annotator) -> bool:
    return access.owns or annotator.user_id == user.pk


def _holder(access: Access, user: User, assignment_key: UUID) -> Annotator:
    held = Assignment.objects.filter(key=assignment_key, project=access.project).select_related("annotator").first()
    if held is None or not _may_speak_for(access, user, held.annotator):
        raise NotFound("There is no such assignment, or it is not yours.")
    held.annotator.project = access.project
    return held.annotator


def _own_judgment(access: Access, user: User, pk: int) -> Judgment:
    judgment = Judgment.objects.filter(pk=pk, project=access.project).select_related("annotator").first()
    if judgment is None or not _may_speak_for(access, user, judgment.annotator):
        raise NotFound(f"There is no judgment {pk}, or it is not yours.")
    judgment.annotator.project = access.project
    return judgment


# --- what -----------------------------------------------------------------------------------------------------------


def _next(dealt: Task, annotator: Annotator) -> dict[str, Any]:
    shown = [_shown(dealt, each, annotator.project.slug) for each in dealt.shown.values()]
    a, b = shown if isinstance(dealt, Dealt) else (None, None)
    return {
        "kind": dealt.kind,
        "assignment": dealt.key,
        "annotator": annotator.ref,
        "prompt": {"ref": dealt.prompt_ref, "messages": dealt.messages},
        "a": a,
        "b": b,
        "responses": [] if isinstance(dealt, Dealt) else shown,
        "scale": _scale(annotator.project) if dealt.kind == Judgment.Kind.RATING else None,
        "hindsight": dealt.occasion == HINDSIGHT,
        "reason_tags": annotator.project.reason_tags,
        "aspects": AspectOutSerializer(aspects_of(annotator.project), many=True).data,
        "rationales": annotator.project.rationales,
        "rationale_min": annotator.project.rationale_min,
        "lease_until": dealt.lease_until,
    }


def _shown(dealt: Task, shown: Shown, slug: str) -> dict[str, Any]:
    """A response as an annotator may see it: what came of it with a second look only."""
    picture = shown.picture
    found: dict[str, Any] = {"text": shown.text, "picture": None, "after": shown.after, "consequence": ""}
    if picture:
        url = reverse("api_picture", args=[slug, picture.name])
        found["picture"] = {"name": picture.name, "width": picture.width, "height": picture.height, "url": url}
    return found | {"consequence": shown.consequence} if dealt.occasion == HINDSIGHT else found


def _scale(project: Project) -> dict[str, Any]:
    low, high = project.scale_ends
    labels = {"low_label": project.scale_low, "high_label": project.scale_high}
    return {"low": low, "high": high, **labels, "critique_min": project.critique_min}


def _stored(judgment: Judgment, assignment_key: UUID | None, user: User) -> dict[str, Any]:
    """JSON-ready: it is kept for retries. What was guessed and said is told after the judgment, where the project tells it at all."""
    project = judgment.annotator.project
    guess = judgment.guess if project.show_guess else None
    wanted = user.show_machines or judgment.annotator.user_id != user.pk
    said = opinions_after([judgment]).get(judgment.pk, []) if project.show_machines and wanted else []
    return {
        "id": judgment.pk,
        "assignment": str(assignment_key) if assignment_key else None,
        "annotator": judgment.annotator.ref,
        "kind": judgment.kind,
        "choice": as_side(as_shown(judgment.choice, swapped=judgment.swapped)),
        "strength": judgment.strength,
        "ranking": _as_places(judgment),
        "rating": judgment.rating,
        "revision": judgment.revision,
        "withdrawn": judgment.withdrawn,
        "judged_at": judgment.judged_at.isoformat().replace("+00:00", "Z"),
        "guess": 1 - guess if guess is not None and judgment.swapped else guess,
        "machines": [
            {
                "name": each.machine,
                "choice": as_side(as_shown(each.choice, swapped=judgment.swapped)),
                "swayed": each.swayed,
            }
            for each in said
        ],
    }


def _as_places(judgment: Judgment) -> list[list[int]]:
    if not judgment.ranking:
        return []
    return [[int(place) for place in tier] for tier in ranking_as_shown(judgment, layout_of(judgment))]


def _standing(access: Access, ref: str | None) -> QuerySet[Judgment]:
    rows = Judgment.objects.filter(project=access.project, current=True, withdrawn=False)
    rows = rows.select_related(*_WITH).prefetch_related(*_SPANS)
    rows = rows.defer(
        *("pair__response_a__text", "pair__response_b__text", "pair__prompt__text", "pair__prompt__messages"),
        *("lineup__prompt__text", "lineup__prompt__messages"),
    )
    return (
        rows
        if ref is None
        else rows.filter(annotator__in=Annotator.objects.filter(project=access.project, ref=_clean(ref)))
    )


def _clean(ref: str) -> str:
    """NUL can be part of an address but of no reference."""
    return ref.replace("\x00", "\ufffd")
