"""Prompts, responses and pairs through the API, one by one and many at once."""

from __future__ import annotations

import io

import orjson
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.access import project_for
from annotator.api.content_serializers import (
    BulkInSerializer,
    ImportReportSerializer,
    PairInSerializer,
    PairSerializer,
    PromptDetailSerializer,
    PromptInSerializer,
    PromptSerializer,
    ResponseInSerializer,
    ResponsesInSerializer,
)
from annotator.api.fields import expect_no_body
from annotator.api.openapi import IDEMPOTENCY_KEY, problems
from annotator.api.pagination import PARAMETERS, listed, page_of
from annotator.api.permissions import caller
from annotator.api.writes import written_once
from annotator.errors import Conflict, Invalid, NotFound
from annotator.imports.reporting import ImportOptions, ImportReport
from annotator.imports.running import run_import
from annotator.models import Pair, Project, Prompt, Role
from annotator.models import Response as ResponseRow
from annotator.services.content import add_pairs, add_prompt, add_responses
from annotator.services.erasing import restore_pair, withdraw_pair
from annotator.services.gold import set_gold
from annotator.services.lineups import make_lineups
from annotator.services.slots import slots_of

_TOPIC = OpenApiParameter("topic", str, description="Only prompts of this topic.")
_FLIPPED = {"a": "b", "b": "a"}


def reading(request: Request, slug: str) -> Project:
    """The project, for owners and viewers."""
    return project_for(caller(request), slug, Role.OWNER, Role.VIEWER).project


def owned(request: Request, slug: str) -> Project:
    """The project, for its owners."""
    return project_for(caller(request), slug, Role.OWNER).project


class PromptsView(APIView):
    """A project's prompts."""

    filters = ("topic",)

    @extend_schema(
        operation_id="prompts",
        summary="List prompts",
        parameters=[*PARAMETERS, _TOPIC],
        responses={200: page_of("PromptPage", PromptSerializer), **problems(400)},
        tags=["content"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Oldest first. For owners and viewers."""
        rows = Prompt.objects.filter(project=reading(request, slug))
        if (topic := request.query_params.get("topic")) is not None:
            rows = rows.filter(topic=storable(topic))
        return listed(rows, request, PromptSerializer)

    @extend_schema(
        operation_id="add_prompt",
        summary="Add a prompt",
        parameters=[IDEMPOTENCY_KEY],
        request=PromptInSerializer,
        responses={201: PromptDetailSerializer, **problems(400, 409, 413, 422)},
        tags=["content"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """With its responses, and pairs of them."""
        project = owned(request, slug)
        body = PromptInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        said = body.validated_data

        def write() -> tuple[int, object]:
            prompt = add_prompt(
                project=project,
                prompt=said["prompt"],
                responses=[ResponseInSerializer.new(each, said["after"]) for each in said["responses"]],
                ref=said["ref"],
                topic=said["topic"],
                about=said["about"],
                pairs=said["pairs"],
            )
            return 201, PromptDetailSerializer(prompt).data

        return written_once(request, write)


class PromptView(APIView):
    """One prompt."""

    @extend_schema(
        operation_id="prompt",
        summary="Get one prompt",
        responses={200: PromptDetailSerializer, **problems()},
        tags=["content"],
    )
    def get(self, request: Request, slug: str, ref: str) -> Response:
        """With its responses."""
        return Response(PromptDetailSerializer(_prompt(reading(request, slug), ref)).data)


class ResponsesView(APIView):
    """A prompt's responses."""

    @extend_schema(
        operation_id="add_responses",
        summary="Add responses to a prompt",
        parameters=[IDEMPOTENCY_KEY],
        request=ResponsesInSerializer,
        responses={201: PromptDetailSerializer, **problems(400, 409, 413, 422)},
        tags=["content"],
    )
    def post(self, request: Request, slug: str, ref: str) -> Response:
        """And pairs of all that it has, unless `pairs` is 0; pairs that are there stay as they are."""
        prompt = _prompt(owned(request, slug), ref)
        body = ResponsesInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        said = body.validated_data

        def write() -> tuple[int, object]:
            add_responses(prompt=prompt, responses=[ResponseInSerializer.new(each) for each in said["responses"]])
            add_pairs(prompt=prompt, responses=list(prompt.responses.all()), limit=said["pairs"])
            make_lineups(project=prompt.project, prompt=prompt)
            return 201, PromptDetailSerializer(prompt).data

        return written_once(request, write)


class PairsView(APIView):
    """A project's pairs."""

    filters = ("prompt", "withdrawn")

    @extend_schema(
        operation_id="pairs",
        summary="List pairs",
        parameters=[
            *PARAMETERS,
            OpenApiParameter("prompt", str, description="Only pairs of the prompt with this ref."),
            OpenApiParameter("withdrawn", bool, description="Only withdrawn pairs, or only others."),
        ],
        responses={200: page_of("PairPage", PairSerializer), **problems(400)},
        tags=["content"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Oldest first. For owners and viewers."""
        return listed(_filtered(reading(request, slug), request), request, PairSerializer)

    @extend_schema(
        operation_id="add_pair",
        summary="Pair two responses",
        parameters=[IDEMPOTENCY_KEY],
        request=PairInSerializer,
        responses={201: PairSerializer, **problems(400, 409, 413, 422)},
        tags=["content"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Of one prompt. `gold` makes it a check with a known answer."""
        project = owned(request, slug)
        body = PairInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        said = body.validated_data

        def write() -> tuple[int, object]:
            pair = _add_pair(project, said["prompt"], said["response_a"], said["response_b"])
            if said["gold"]:
                own = pair.response_a.ref == said["response_a"]
                gold = said["gold"] if own else _FLIPPED.get(said["gold"], said["gold"])
                set_gold(pair=pair, choice=gold, by=caller(request))
            return 201, PairSerializer(pair).data

        return written_once(request, write)


class PairStateView(APIView):
    """Withdrawing a pair, and bringing it back. ``act`` comes with the address."""

    act = ""

    @extend_schema(request=None, responses={200: PairSerializer, **problems(413, 422)}, tags=["content"])
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Withdrawn pairs are shown to nobody; what was said of them stays."""
        expect_no_body(request)
        pair = _pairs(owned(request, slug)).filter(pk=pk).first()
        if pair is None:
            raise NotFound(f"There is no pair {pk} in this project.")
        change = withdraw_pair if self.act == "withdraw" else restore_pair
        change(pair=pair, by=caller(request))
        pair.refresh_from_db()
        return Response(PairSerializer(pair).data)


class BulkView(APIView):
    """Rows of prompts or of judgments, up to 10,000 at once."""

    @extend_schema(
        operation_id="bulk",
        summary="Add many prompts or judgments",
        request=BulkInSerializer,
        responses={200: ImportReportSerializer, **problems(400, 409, 413, 422)},
        tags=["content"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """All or nothing; one wrong row and every problem is named. The same rows again add nothing, so no key is needed.
        Judgments that come this way are those of an import: they take none of the pairs' places for people."""
        project = owned(request, slug)
        body = BulkInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        said = body.validated_data
        lines = b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in said["rows"])
        options = ImportOptions(dry_run=said["dry_run"], pairs_per_prompt=said["pairs"])
        report = run_import(io.BytesIO(lines), project=project, options=options)
        report.source = "api"
        if report.bad_rows:
            raise Invalid(report.summary(), fields=_row_problems(report))
        return Response(report_body(report))


def report_body(report: ImportReport) -> dict[str, object]:
    """A report as the API gives it."""
    body = report.as_dict()
    return {str(name): body[str(name)] for name in ImportReportSerializer().fields}


def storable(text: str) -> str:
    """NUL can be part of an address but of no text in the database."""
    return text.replace("\x00", "\ufffd")


def _row_problems(report: ImportReport) -> dict[str, str]:
    found = {}
    for each in sorted(report.problems, key=lambda problem: problem.line):
        name = f"rows.{each.line - 1}.{each.field}" if each.field else f"rows.{each.line - 1}"
        found[name] = str(each).partition(": ")[2]
    return found


def _prompt(project: Project, ref: str) -> Prompt:
    prompt = Prompt.objects.filter(project=project, ref=storable(ref)).first()
    if prompt is None:
        raise NotFound(f"There is no prompt “{ref}” in this project.")
    prompt.project = project
    return prompt


def _pairs(project: Project) -> QuerySet[Pair]:
    rows = Pair.objects.filter(project=project).select_related("project", "prompt", "response_a", "response_b")
    return rows.defer("prompt__text", "prompt__messages", "response_a__text", "response_b__text")


def _filtered(project: Project, request: Request) -> QuerySet[Pair]:
    rows = _pairs(project)
    if (ref := request.query_params.get("prompt")) is not None:
        rows = rows.filter(prompt__ref=storable(ref))
    if (withdrawn := request.query_params.get("withdrawn")) is not None:
        if withdrawn not in ("true", "false"):
            raise Invalid("withdrawn is true or false.", fields={"withdrawn": "expected true or false"})
        rows = rows.filter(withdrawn_at__isnull=withdrawn == "false")
    return rows


def _add_pair(project: Project, prompt_ref: str, a_ref: str, b_ref: str) -> Pair:
    prompt = Prompt.objects.filter(project=project, ref=prompt_ref).first()
    if prompt is None:
        raise Invalid("There is no such prompt.", fields={"prompt": f"There is no prompt “{prompt_ref}”."})
    found = {row.ref: row for row in ResponseRow.objects.filter(prompt=prompt, ref__in=[a_ref, b_ref])}
    missing = {
        name: f"The prompt has no response “{ref}”."
        for name, ref in (("response_a", a_ref), ("response_b", b_ref))
        if ref not in found
    }
    if missing or a_ref == b_ref:
        raise Invalid("These can’t be paired.", fields=missing or {"response_b": "This is response_a."})
    older, newer = sorted(found.values(), key=lambda row: row.pk)
    pair = Pair(project=project, prompt=prompt, response_a=older, response_b=newer)
    pair.target, pair.cap = slots_of(project, pair.shuffle)
    with transaction.atomic():
        if Pair.objects.filter(response_a=older, response_b=newer).exists():
            raise Conflict("These two are a pair already.")
        pair.save()
    return pair
