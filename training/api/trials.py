"""Putting one prompt to several policies through the API, in a direction where they read one."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.access import Access, project_for
from annotator.api.fields import Number, StrictSerializer, Text, Whole
from annotator.api.openapi import IDEMPOTENCY_KEY, problems
from annotator.api.permissions import caller
from annotator.api.writes import written_once
from annotator.models import JobState, Role
from attune.direction import ASPECTS
from training.models import PolicyTrial
from training.policy_selectors import annotator_named
from training.policy_trials import MOST_CHARACTERS, MOST_POLICIES, find_trial, replies_of, start_trial

_ID = OpenApiParameter("trial", int, OpenApiParameter.PATH, description="As the start told it.")


@extend_schema_serializer(component_name="PolicyTrialIn")
class TrialInSerializer(StrictSerializer):
    prompt = Text(max_length=MOST_CHARACTERS)
    policies = serializers.ListField(
        child=Whole(), max_length=MOST_POLICIES, help_text="Numbers; base models answer too."
    )
    temperature = Number(default=1.0)
    most_tokens = Whole(default=256)
    seed = Whole(min_value=0, max_value=2**31 - 1, allow_null=True, default=None)
    reader = Text(
        max_length=200,
        default="",
        help_text="An annotator's reference: their judgments stand in the prompts of policies that read some.",
    )
    reader_words = Text(
        max_length=1_000,
        default="",
        help_text="What they like in words, for describe=given; else as judgments show it.",
    )
    direction = serializers.DictField(
        child=Whole(),
        default=dict,
        help_text=f"Weights −100 to 100 of {', '.join(ASPECTS)}, a trait's towards its second pole; for those that read directions: policies that learnt to, and the tiny model's.",
    )

    def validate_direction(self, value: dict[str, int]) -> list[int]:
        """As the trial keeps it: a weight for each aspect, or none."""
        if unknown := next((name for name in value if name not in ASPECTS), None):
            raise serializers.ValidationError(f"{unknown!r} is no aspect; expected {', '.join(ASPECTS)}.")
        return [value.get(name, 0) for name in ASPECTS] if value else []


class _ReplySerializer(serializers.Serializer[Any]):
    policy = serializers.CharField(source="name", help_text="Such as policy@3, or the base model's name.")
    directed = serializers.BooleanField(help_text="The direction stood in its prompt.")
    reader_words = serializers.CharField(help_text="What it read of the reader in words.")
    text = serializers.CharField()
    over = serializers.BooleanField()
    cut_off = serializers.BooleanField()
    tokens = serializers.IntegerField()
    seconds = serializers.FloatField()
    error = serializers.CharField()


@extend_schema_serializer(component_name="PolicyTrial")
class TrialSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    state = serializers.ChoiceField(JobState.choices)
    error = serializers.CharField()
    prompt = serializers.CharField()
    temperature = serializers.FloatField()
    most_tokens = serializers.IntegerField()
    seed = serializers.IntegerField()
    direction = serializers.SerializerMethodField(help_text="The weights that are not 0.")
    replies = serializers.SerializerMethodField()

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}})
    def get_direction(self, trial: PolicyTrial) -> dict[str, int]:
        return {name: weight for name, weight in zip(ASPECTS, trial.direction, strict=False) if weight}

    @extend_schema_field(_ReplySerializer(many=True))
    def get_replies(self, trial: PolicyTrial) -> list[Any]:
        return list(_ReplySerializer(replies_of(trial), many=True).data)


def _reading(request: Request, slug: str) -> Access:
    return project_for(caller(request), slug, Role.OWNER, Role.VIEWER)


class TrialsView(APIView):
    """Trials of policies."""

    @extend_schema(
        operation_id="try_policies",
        summary="Put a prompt to policies",
        parameters=[IDEMPOTENCY_KEY],
        request=TrialInSerializer,
        responses={201: TrialSerializer, **problems(413, 422)},
        tags=["policies"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """A worker lets them answer; an earlier trial of the caller's that is not over is stopped. It is kept for 30 days."""
        project = _reading(request, slug).project
        body = TrialInSerializer(data=request.data)
        body.is_valid(raise_exception=True)

        asked = dict(body.validated_data)
        ref = asked.pop("reader")
        reader = annotator_named(project, ref) if ref else None

        def write() -> tuple[int, object]:
            trial = start_trial(project=project, by=caller(request), reader=reader, **asked)
            return 201, TrialSerializer(trial).data

        return written_once(request, write)


class TrialView(APIView):
    """One trial."""

    @extend_schema(
        operation_id="policy_trial",
        summary="Get what policies answered",
        parameters=[_ID],
        responses={200: TrialSerializer, **problems()},
        tags=["policies"],
    )
    def get(self, request: Request, slug: str, trial: int) -> Response:
        """The texts as far as they are written; all of them once it is done."""
        return Response(TrialSerializer(find_trial(_reading(request, slug).project, trial)).data)
