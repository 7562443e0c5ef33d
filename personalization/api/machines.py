"""Machine annotators through the API: set up, put to work, compared with people. A judge's key goes in and never comes out."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.access import project_for
from annotator.api.fields import StrictSerializer, Text, Whole, expect_no_body
from annotator.api.openapi import IDEMPOTENCY_KEY, problems
from annotator.api.pagination import PARAMETERS, listed, page_of
from annotator.api.permissions import caller
from annotator.api.writes import written_once
from annotator.models import JobState, Role
from personalization.machines.managing import (
    NewMachine,
    add_machine,
    cancel_machine_run,
    retire_machine,
    start_machine_run,
)
from personalization.machines.reading import find_machine, last_run, machines_of, report_on
from personalization.models import MachineAnnotator, MachineJudgment

_NUMBER = OpenApiParameter("number", int, OpenApiParameter.PATH, description="1, 2, 3 … within the project.")


@extend_schema_serializer(component_name="MachineIn")
class MachineInSerializer(StrictSerializer):
    name = Text(max_length=80)
    kind = serializers.ChoiceField(MachineAnnotator.Kind.choices)
    policy = Whole(min_value=1, max_value=10**9, allow_null=True, default=None, help_text="Null: the base model.")
    reference = Whole(
        min_value=1,
        max_value=10**9,
        allow_null=True,
        default=None,
        help_text="Of a density ratio; null: the base model.",
    )
    url = Text(max_length=500, default="", help_text="A judge's, such as https://…/v1.")
    model = Text(max_length=200, default="", help_text="As the judge's endpoint calls it.")
    key = Text(max_length=1000, default="", write_only=True, help_text="Kept encrypted; no answer holds it.")


@extend_schema_serializer(component_name="MachineBatch")
class BatchSerializer(StrictSerializer):
    most_pairs = Whole(default=200)


@extend_schema_serializer(component_name="Machine")
class MachineSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(MachineAnnotator.Kind.choices)
    policy = serializers.SerializerMethodField()
    reference = serializers.SerializerMethodField()
    base = serializers.CharField()
    url = serializers.CharField()
    model = serializers.CharField()
    judged = serializers.IntegerField(help_text="Pairs that it has an opinion of.")
    batch = serializers.SerializerMethodField(
        help_text="Its newest batch: state, progress, error; null before the first."
    )
    retired_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()

    @extend_schema_field({"type": ["string", "null"]})
    def get_policy(self, machine: MachineAnnotator) -> str | None:
        return machine.version.label if machine.version else None

    @extend_schema_field({"type": ["string", "null"]})
    def get_reference(self, machine: MachineAnnotator) -> str | None:
        return machine.reference.label if machine.reference else None

    @extend_schema_field(
        {
            "type": ["object", "null"],
            "properties": {
                "state": {"type": "string", "enum": JobState.values},
                "progress": {"type": "object", "additionalProperties": True},
                "error": {"type": "string"},
            },
        }
    )
    def get_batch(self, machine: MachineAnnotator) -> dict[str, Any] | None:
        run = last_run(machine)
        return {"state": run.state, "progress": run.progress, "error": run.error} if run else None


@extend_schema_serializer(component_name="MachineJudgment")
class MachineJudgmentSerializer(serializers.Serializer[Any]):
    machine = serializers.CharField(source="machine.name", help_text="A program, never a person.")
    pair = serializers.IntegerField(source="pair_id")
    choice = serializers.CharField(help_text="a, b, tie, or none: no opinion.")
    margin = serializers.FloatField(allow_null=True, help_text="reward(a) − reward(b), on its own scale.")
    swayed = serializers.BooleanField(help_text="A judge whose answer turned with the order; counts as a tie.")
    problem = serializers.CharField(help_text="Why it has no opinion.")
    created_at = serializers.DateTimeField()


@extend_schema_serializer(component_name="MachineAgreement")
class AgreementSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    share = serializers.FloatField(source="share.estimate")
    low = serializers.FloatField(source="share.low")
    high = serializers.FloatField(source="share.high")
    pairs = serializers.IntegerField()
    judgments = serializers.IntegerField()


@extend_schema_serializer(component_name="MachineContested")
class ContestedSerializer(serializers.Serializer[Any]):
    pair = serializers.IntegerField(source="judgment.pair_id")
    machine = serializers.CharField(source="judgment.choice")
    judgments = serializers.IntegerField()
    against = serializers.FloatField(source="share")


@extend_schema_serializer(component_name="MachineReport")
class ReportSerializer(serializers.Serializer[Any]):
    """Where a machine annotator and people differ. Each pair counts once; intervals are of 95 %."""

    judged = serializers.IntegerField()
    no_opinion = serializers.IntegerField()
    ties = serializers.IntegerField()
    swayed = serializers.IntegerField()
    overall = AgreementSerializer(allow_null=True)
    people = AgreementSerializer(allow_null=True)
    simulated = AgreementSerializer(allow_null=True)
    among_people = AgreementSerializer(allow_null=True, help_text="Two annotators of one pair with each other.")
    topics = AgreementSerializer(many=True)
    strengths = AgreementSerializer(many=True)
    contested = ContestedSerializer(many=True)


def _readable(request: Request, slug: str, number: int) -> MachineAnnotator:
    return find_machine(project_for(caller(request), slug, Role.OWNER, Role.VIEWER).project, number)


def _owned(request: Request, slug: str, number: int) -> MachineAnnotator:
    return find_machine(project_for(caller(request), slug, Role.OWNER).project, number)


class MachinesView(APIView):
    """A project's machine annotators."""

    filters = ()

    @extend_schema(
        operation_id="machines",
        summary="List machine annotators",
        parameters=PARAMETERS,
        responses={200: page_of("MachinePage", MachineSerializer), **problems()},
        tags=["machines"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """In the order in which they were set up."""
        project = project_for(caller(request), slug, Role.OWNER, Role.VIEWER).project
        return listed(machines_of(project), request, MachineSerializer)

    @extend_schema(
        operation_id="add_machine",
        summary="Set a machine annotator up",
        parameters=[IDEMPOTENCY_KEY],
        request=MachineInSerializer,
        responses={201: MachineSerializer, **problems(409, 413, 422)},
        tags=["machines"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Follow-up likelihood, a density ratio of two models here, or a judge behind an OpenAI-compatible address."""
        project = project_for(caller(request), slug, Role.OWNER).project
        body = MachineInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked = dict(body.validated_data)
        new = NewMachine(version=asked.pop("policy"), **asked)

        def write() -> tuple[int, object]:
            machine = add_machine(project=project, new=new, by=caller(request))
            return 201, MachineSerializer(find_machine(project, machine.number)).data

        return written_once(request, write)


class MachineView(APIView):
    """One machine annotator."""

    @extend_schema(
        operation_id="machine",
        summary="Get one machine annotator",
        parameters=[_NUMBER],
        responses={200: MachineSerializer, **problems()},
        tags=["machines"],
    )
    def get(self, request: Request, slug: str, number: int) -> Response:
        """With how far its newest batch is."""
        return Response(MachineSerializer(_readable(request, slug, number)).data)

    @extend_schema(
        operation_id="retire_machine",
        summary="Retire a machine annotator",
        parameters=[_NUMBER],
        request=None,
        responses={204: None, **problems()},
        tags=["machines"],
    )
    def delete(self, request: Request, slug: str, number: int) -> Response:
        """Its key is forgotten; what it has said stays."""
        retire_machine(machine=_owned(request, slug, number), by=caller(request))
        return Response(status=204)


class MachineJudgeView(APIView):
    """Putting a machine annotator to work."""

    @extend_schema(
        operation_id="run_machine",
        summary="Have a machine annotator judge",
        parameters=[_NUMBER, IDEMPOTENCY_KEY],
        request=BatchSerializer,
        responses={202: MachineSerializer, **problems(409, 413, 422)},
        tags=["machines"],
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        """Pairs that people have judged and it has not. 409 while it is at work."""
        machine = _owned(request, slug, number)
        body = BatchSerializer(data=request.data)
        body.is_valid(raise_exception=True)

        def write() -> tuple[int, object]:
            start_machine_run(machine=machine, most_pairs=body.validated_data["most_pairs"], by=caller(request))
            return 202, MachineSerializer(machine).data

        return written_once(request, write)


class MachineCancelView(APIView):
    """Stopping a machine annotator."""

    @extend_schema(
        operation_id="stop_machine",
        summary="Stop a machine annotator",
        parameters=[_NUMBER],
        request=None,
        responses={200: MachineSerializer, **problems(413, 422)},
        tags=["machines"],
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        """What it has said stays."""
        expect_no_body(request)
        machine = _owned(request, slug, number)
        if run := last_run(machine):
            cancel_machine_run(run=run)
        return Response(MachineSerializer(machine).data)


class MachineJudgmentsView(APIView):
    """What a machine annotator has said."""

    filters = ()

    @extend_schema(
        operation_id="machine_judgments",
        summary="List a machine annotator's judgments",
        parameters=[_NUMBER, *PARAMETERS],
        responses={200: page_of("MachineJudgmentPage", MachineJudgmentSerializer), **problems()},
        tags=["machines"],
    )
    def get(self, request: Request, slug: str, number: int) -> Response:
        """In the pair's own terms. They are in no export of people's judgments and in no snapshot."""
        rows = MachineJudgment.objects.filter(machine=_readable(request, slug, number)).select_related("machine")
        return listed(rows, request, MachineJudgmentSerializer)


class MachineReportView(APIView):
    """Comparing a machine annotator with people."""

    @extend_schema(
        operation_id="machine_report",
        summary="Where a machine annotator and people differ",
        parameters=[_NUMBER],
        responses={200: ReportSerializer, **problems()},
        tags=["machines"],
    )
    def get(self, request: Request, slug: str, number: int) -> Response:
        """Agreement with intervals, by topic and strength, and the pairs contested most."""
        return Response(ReportSerializer(report_on(_readable(request, slug, number))).data)
