"""Rounds of policies through the API: start, watch, look at, put to annotators, learn from."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.access import Access, project_for
from annotator.api.fields import Number, StrictSerializer, Text, Truth, Whole, expect_no_body
from annotator.api.openapi import IDEMPOTENCY_KEY, problems
from annotator.api.pagination import PARAMETERS, listed, page_of
from annotator.api.permissions import caller
from annotator.api.writes import written_once
from annotator.models import JobState, Role
from attune.policies.settings import NASH_METHODS, USUAL_ANCHOR, USUAL_BETA, USUAL_REJECTION_BETA
from personalization.models import PolicyRound, RoundPair
from personalization.rounds.playing import Play, start_self_play
from personalization.rounds.putting import put_round, start_next_run
from personalization.rounds.reading import find_round, pairs_of, rounds_of, wins_read, with_wins
from personalization.rounds.starting import Asked, cancel_round, start_round
from training.api.policies import PolicyRunSerializer

_NUMBER = OpenApiParameter("number", int, OpenApiParameter.PATH, description="1, 2, 3 … within the project.")


@extend_schema_serializer(component_name="PolicyRoundIn")
class RoundInSerializer(StrictSerializer):
    policy = Whole(min_value=1, max_value=10**9, allow_null=True, default=None, help_text="Null: the base model.")
    opponent = Whole(
        min_value=1,
        max_value=10**9,
        allow_null=True,
        default=None,
        help_text="What it is measured against; null: the base model.",
    )
    prompts = serializers.ListField(
        child=Text(max_length=200), default=list, max_length=1000, help_text="References; none: all."
    )
    topics = serializers.ListField(child=Text(max_length=200), default=list, max_length=1000)
    most_prompts = Whole(default=50, help_text="So many are drawn of those that fit.")
    count = Whole(default=4, help_text="Responses to a prompt at each temperature.")
    temperatures = serializers.ListField(child=Number(), default=lambda: [0.7, 1.0])
    most_tokens = Whole(default=256)
    method = serializers.ChoiceField(PolicyRound.Method.choices, default=PolicyRound.Method.BEST_OF_N)
    pairs_each = Whole(default=1, help_text="Pairs of its own responses to a prompt.")
    versus_each = Whole(default=1, help_text="Pairs of its own with the opponent's.")
    beta = Number(default=USUAL_REJECTION_BETA, help_text="Of rejection sampling.")
    seed = Whole(allow_null=True, default=None)
    put = Truth(default=False, help_text="Put the pairs to annotators as soon as they are there, unseen.")


@extend_schema_serializer(component_name="PolicyRound")
class RoundSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    state = serializers.ChoiceField(JobState.choices)
    policy = serializers.CharField(source="writer", help_text="Such as policy@3, or the base model's name.")
    opponent = serializers.CharField(source="rival")
    method = serializers.ChoiceField(PolicyRound.Method.choices)
    temperatures = serializers.ListField(child=serializers.FloatField())
    count = serializers.IntegerField()
    most_tokens = serializers.IntegerField()
    seed = serializers.IntegerField()
    progress = serializers.SerializerMethodField()
    error = serializers.CharField()
    judge = serializers.CharField(
        allow_null=True, help_text="The preference model that judged its pairs, in self-play."
    )
    metrics = serializers.SerializerMethodField(
        help_text="Counts, rewards, lengths; win: by reward; beats: by the preference model, in self-play."
    )
    wins = serializers.SerializerMethodField(help_text="By people's judgments of pairs with the opponent.")
    put_at = serializers.DateTimeField(allow_null=True)
    next_run = serializers.SerializerMethodField(help_text="The policy run that learns from it.")
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_progress(self, row: PolicyRound) -> dict[str, Any]:
        progress: dict[str, Any] = row.progress
        return progress

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_metrics(self, row: PolicyRound) -> dict[str, Any]:
        metrics: dict[str, Any] = row.metrics
        return metrics

    @extend_schema_field(
        {
            "type": ["object", "null"],
            "properties": {
                **{name: {"type": "number"} for name in ("share", "low", "high")},
                **{name: {"type": "integer"} for name in ("pairs", "judgments", "people", "simulated")},
            },
        }
    )
    def get_wins(self, row: PolicyRound) -> dict[str, float] | None:
        wins = wins_read(row)
        if wins is None:
            return None
        share = wins.share
        counts = {name: getattr(wins, name) for name in ("pairs", "judgments", "people", "simulated")}
        return {"share": share.estimate, "low": share.low, "high": share.high, **counts}

    @extend_schema_field({"type": ["integer", "null"]})
    def get_next_run(self, row: PolicyRound) -> int | None:
        return row.next_run.number if row.next_run else None


@extend_schema_serializer(component_name="PolicyRoundPair")
class RoundPairSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text="For `without`.")
    prompt = serializers.CharField(source="one.prompt.ref")
    versus = serializers.BooleanField(help_text="Its second response is the opponent's.")
    one = serializers.CharField(source="one.text")
    other = serializers.CharField(source="other.text")
    one_reward = serializers.FloatField(source="one.reward", allow_null=True)
    other_reward = serializers.FloatField(source="other.reward", allow_null=True)
    chance = serializers.FloatField(
        allow_null=True, help_text="In self-play: P(one is preferred to other), a preference model's opinion."
    )
    one_win = serializers.FloatField(
        source="one.win",
        allow_null=True,
        help_text="How often it wins against the policy's own responses, by that model.",
    )
    other_win = serializers.FloatField(source="other.win", allow_null=True)
    one_temperature = serializers.FloatField(source="one.temperature")
    other_temperature = serializers.FloatField(source="other.temperature")
    pair = serializers.IntegerField(source="pair_id", allow_null=True, help_text="What annotators judge, once put.")


@extend_schema_serializer(component_name="PolicyRoundPut")
class PutSerializer(StrictSerializer):
    without = serializers.ListField(
        child=Whole(), default=list, max_length=10_000, help_text="Ids of pairs to leave out."
    )


@extend_schema_serializer(component_name="PolicyRoundNext")
class NextSerializer(StrictSerializer):
    only_new = Truth(default=False, help_text="Learn from the judgments of this round's pairs alone.")
    opinions = Truth(
        default=False,
        help_text="Learn what the preference model said of a round of self-play, and no judgments of people.",
    )
    method = serializers.ChoiceField(NASH_METHODS, default="inpo", help_text="With opinions: the loss.")
    beta = Number(default=USUAL_BETA, help_text="With opinions: η.")
    anchor = Number(default=USUAL_ANCHOR, help_text="With opinions and inpo: τ/η, 0 to 1.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Not only the new judgments of none at all."""
        if attrs["opinions"] and attrs["only_new"]:
            raise serializers.ValidationError(
                {"only_new": "is true; expected false with opinions, which learn no judgments"}
            )
        return attrs


def _reading(request: Request, slug: str) -> Access:
    return project_for(caller(request), slug, Role.OWNER, Role.VIEWER)


def _owned(request: Request, slug: str, number: int) -> PolicyRound:
    return find_round(project_for(caller(request), slug, Role.OWNER).project, number)


class RoundsView(APIView):
    """A project's rounds."""

    filters = ()

    @extend_schema(
        operation_id="policy_rounds",
        summary="List rounds of policies",
        parameters=PARAMETERS,
        responses={200: page_of("PolicyRoundPage", RoundSerializer), **problems()},
        tags=["policies"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Oldest first."""
        return listed(rounds_of(_reading(request, slug).project), request, RoundSerializer, prepare=with_wins)

    @extend_schema(
        operation_id="start_policy_round",
        summary="Let a policy write responses to be judged",
        parameters=[IDEMPOTENCY_KEY],
        request=RoundInSerializer,
        responses={201: RoundSerializer, **problems(409, 413, 422)},
        tags=["policies"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """A worker writes, rewards and pairs them. Nobody else sees them until they are put. 409 while one is in work."""
        project = project_for(caller(request), slug, Role.OWNER).project
        body = RoundInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked = dict(body.validated_data)
        put, version = asked.pop("put"), asked.pop("policy")

        def write() -> tuple[int, object]:
            row = start_round(
                project=project, asked=Asked(version=version, **asked), by=caller(request), put_when_done=put
            )
            return 201, RoundSerializer(row).data

        return written_once(request, write)


class RoundView(APIView):
    """One round."""

    @extend_schema(
        operation_id="policy_round",
        summary="Get one round of a policy",
        parameters=[_NUMBER],
        responses={200: RoundSerializer, **problems()},
        tags=["policies"],
    )
    def get(self, request: Request, slug: str, number: int) -> Response:
        """How far it is, what it measured, and who wins."""
        return Response(RoundSerializer(find_round(_reading(request, slug).project, number)).data)


class RoundPairsView(APIView):
    """What a round would put, or has put, to annotators."""

    filters = ()

    @extend_schema(
        operation_id="policy_round_pairs",
        summary="List a round's pairs",
        parameters=[_NUMBER, *PARAMETERS],
        responses={200: page_of("PolicyRoundPairPage", RoundPairSerializer), **problems()},
        tags=["policies"],
    )
    def get(self, request: Request, slug: str, number: int) -> Response:
        """With their texts and rewards, before and after they are put."""
        row = find_round(_reading(request, slug).project, number)
        rows = RoundPair.objects.filter(pk__in=pairs_of(row).values("pk"))
        return listed(rows.select_related("one__prompt", "other"), request, RoundPairSerializer)


class RoundCancelView(APIView):
    """Stopping a round."""

    @extend_schema(
        operation_id="cancel_policy_round",
        summary="Stop a round",
        parameters=[_NUMBER],
        request=None,
        responses={200: RoundSerializer, **problems(413, 422)},
        tags=["policies"],
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        """One that is over stays as it is."""
        expect_no_body(request)
        row = _owned(request, slug, number)
        cancel_round(row=row, by=caller(request))
        return Response(RoundSerializer(row).data)


class RoundPutView(APIView):
    """Putting a round to annotators."""

    @extend_schema(
        operation_id="put_policy_round",
        summary="Put a round's pairs to annotators",
        parameters=[_NUMBER, IDEMPOTENCY_KEY],
        request=PutSerializer,
        responses={200: RoundSerializer, **problems(409, 413, 422)},
        tags=["policies"],
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        """New responses and pairs; done once, a second call changes nothing. 409 where the round is not done."""
        row = _owned(request, slug, number)
        body = PutSerializer(data=request.data)
        body.is_valid(raise_exception=True)

        def write() -> tuple[int, object]:
            put_round(row=row, by=caller(request), without=body.validated_data["without"])
            return 200, RoundSerializer(row).data

        return written_once(request, write)


class RoundNextView(APIView):
    """Learning from a round."""

    @extend_schema(
        operation_id="policy_round_next",
        summary="Train the next policy from a round",
        parameters=[_NUMBER, IDEMPOTENCY_KEY],
        request=NextSerializer,
        responses={201: PolicyRunSerializer, **problems(409, 413, 422)},
        tags=["policies"],
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        """As its own policy was trained, or with `opinions` by self-play; from where that one stands. 409 where its policy is retired
        or a run learns from it already."""
        row = _owned(request, slug, number)
        body = NextSerializer(data=request.data)
        body.is_valid(raise_exception=True)

        def write() -> tuple[int, object]:
            asked = body.validated_data
            if asked["opinions"]:
                play = Play(method=asked["method"], beta=asked["beta"], anchor=asked["anchor"])
                run = start_self_play(row=row, play=play, by=caller(request))
            else:
                run = start_next_run(row=row, by=caller(request), only_new=asked["only_new"])
            return 201, PolicyRunSerializer(run).data

        return written_once(request, write)
