"""What the API of projects, prompts, responses and pairs takes and gives."""

from __future__ import annotations

import json
from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from annotator.api.fields import Number, StrictSerializer, Text, Truth, Whole
from annotator.api.next_serializers import MessageSerializer
from annotator.models import Judgment, Lineup, Pair, Project, Prompt
from annotator.models import Response as ResponseRow
from annotator.models.content import GOLD_CHOICES, MAX_TEXT
from annotator.services.content import MAX_REF, NewResponse, turns_problem
from annotator.services.projects import TEMPLATES

MOST_RESPONSES = 64
_TEXT: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
_MESSAGE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "role": {"type": "string", "enum": ["system", "user", "assistant"]},
        "content": {"type": "string", "minLength": 1},
    },
    "required": ["role", "content"],
    "additionalProperties": False,
}


@extend_schema_field({"oneOf": [_TEXT, {"type": "array", "minItems": 1, "maxItems": 500, "items": _MESSAGE}]})
class PromptField(serializers.Field[Any, Any, Any, Any]):
    """A text, or the conversation so far, whose last turn is the user's."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str):
            return data
        if not isinstance(data, list) or not 1 <= len(data) <= 500:
            raise serializers.ValidationError("Expected a text or 1 to 500 messages.")
        for n, message in enumerate(data):
            if not isinstance(message, dict) or set(message) != {"role", "content"}:
                raise serializers.ValidationError(f"Message {n} must be an object with role and content.")
            if message["role"] not in ("system", "user", "assistant") or not isinstance(message["content"], str):
                raise serializers.ValidationError(f"Message {n} has a wrong role or no text as its content.")
        if data[-1]["role"] != "user":
            raise serializers.ValidationError("The last message must be the user's.")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field({"type": "array", "maxItems": 500, "items": _MESSAGE})
class TurnsField(serializers.Field[Any, Any, Any, Any]):
    """Messages that follow a response."""

    def to_internal_value(self, data: Any) -> Any:
        if problem := turns_problem(data):
            raise serializers.ValidationError(f"{problem[0].upper()}{problem[1:]}.")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field({"type": "object", "additionalProperties": True})
class ObjectField(serializers.Field[Any, Any, Any, Any]):
    """Any JSON object, up to 200,000 bytes of it."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise serializers.ValidationError("Expected an object.")
        if "\\u0000" in json.dumps(data):
            raise serializers.ValidationError("U+0000 can't be stored.")
        if len(json.dumps(data)) > 200_000:
            raise serializers.ValidationError("Expected at most 200,000 bytes of JSON.")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


# Projects


@extend_schema_serializer(component_name="ProjectIn")
class ProjectInSerializer(StrictSerializer):
    name = Text(max_length=200)
    slug = Text(max_length=80, default="", help_text="Its address; made of the name unless given.")
    description = Text(max_length=20_000, default="")
    template = serializers.ChoiceField(list(TEMPLATES), default="blank", help_text="What it starts from.")


@extend_schema_serializer(component_name="SettingsIn")
class SettingsInSerializer(StrictSerializer):
    """What of a project's set-up is to change; the rest stays."""

    name = Text(max_length=200, required=False)
    description = Text(required=False)
    instructions = Text(required=False)
    kinds = serializers.ListField(
        child=serializers.ChoiceField(Judgment.Kind.choices),
        required=False,
        allow_empty=False,
        help_text="What is asked for, in the order pair, ranking, rating.",
    )
    scale = serializers.ChoiceField(Project.Scale.choices, required=False, help_text="Of ratings.")
    scale_low = Text(max_length=40, required=False)
    scale_high = Text(max_length=40, required=False)
    critique_min = Whole(min_value=0, max_value=1_000, required=False)
    reason_tags = serializers.ListField(child=ObjectField(), required=False, help_text='[{"key", "label"}]')
    rationales = serializers.ChoiceField(Project.Rationales.choices, required=False)
    choosing = serializers.ChoiceField(Project.Choosing.choices, required=False)
    overlap = Whole(min_value=1, max_value=32_767, required=False)
    overlap_cap = Whole(min_value=1, max_value=32_767, required=False, allow_null=True)
    shared_share = Number(min_value=0, max_value=1, required=False)
    lease_minutes = Whole(min_value=1, max_value=1440, required=False)
    daily_goal = Whole(min_value=0, max_value=32_767, required=False)
    repeat_rate = Number(min_value=0, max_value=0.5, required=False)
    gold_rate = Number(min_value=0, max_value=0.5, required=False)
    hindsight_rate = Number(min_value=0, max_value=1, required=False, help_text="Share of judgments asked again.")
    hindsight_trains = serializers.ChoiceField(Project.Looks.choices, required=False)
    picture_urls = Truth(required=False, help_text="Pictures may be named by address; the server fetches a copy.")
    refit_every = Whole(min_value=0, max_value=2**31 - 1, required=False)
    show_guess = Truth(required=False)
    show_machines = Truth(
        required=False, help_text="Tell annotators, after a judgment, what machine annotators had said."
    )
    source_note = Text(required=False)


# Prompts and responses


@extend_schema_serializer(component_name="ResponseIn")
class ResponseInSerializer(StrictSerializer):
    text = Text(max_length=MAX_TEXT, allow_blank=False, help_text="What it says; of a picture, what it shows.")
    ref = Text(max_length=MAX_REF, default="", help_text="Your id; made of what it says unless given.")
    source = Text(  # type: ignore[assignment]
        max_length=MAX_REF, default="", help_text="What wrote it; never shown to annotators."
    )
    about = ObjectField(default=dict)
    picture = Text(
        max_length=2_000, default="", help_text="Name of a stored picture, or an address that the project may fetch."
    )
    after = TurnsField(default=list, help_text="How the conversation went on after it.")
    consequence = Text(max_length=MAX_TEXT, default="", help_text="What came of following it; for second looks.")

    @staticmethod
    def new(said: dict[str, Any], after: list[dict[str, str]] | None = None) -> NewResponse:
        return NewResponse(
            said["text"],
            said["ref"],
            said["source"],
            said["about"],
            said["picture"],
            said["after"] or after or [],
            said["consequence"],
        )


@extend_schema_serializer(component_name="PromptIn")
class PromptInSerializer(StrictSerializer):
    prompt = PromptField()
    ref = Text(max_length=MAX_REF, default="")
    topic = Text(max_length=MAX_REF, default="")
    about = ObjectField(default=dict)
    responses = ResponseInSerializer(many=True, default=list, max_length=MOST_RESPONSES)  # type: ignore[call-arg]
    after = TurnsField(default=list, help_text="How it went on, for responses that do not say so themselves.")
    pairs = Whole(min_value=0, max_value=2016, allow_null=True, default=None, help_text="Pairs to make; null: all.")


@extend_schema_serializer(component_name="ResponsesIn")
class ResponsesInSerializer(StrictSerializer):
    responses = ResponseInSerializer(many=True, max_length=MOST_RESPONSES, allow_empty=False)  # type: ignore[call-arg]
    pairs = Whole(
        min_value=0, max_value=100_000, allow_null=True, default=None, help_text="Of all its responses; null: all."
    )


@extend_schema_serializer(component_name="Response")
class ResponseSerializer(serializers.Serializer[Any]):
    ref = serializers.CharField()
    text = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    picture = serializers.SerializerMethodField(help_text="Name of its picture; null for a text.")
    after = MessageSerializer(many=True)
    consequence = serializers.CharField()
    about = ObjectField()

    def get_picture(self, row: ResponseRow) -> str | None:
        return row.picture.name if row.picture else None


@extend_schema_serializer(component_name="PictureIn")
class PictureInSerializer(StrictSerializer):
    url = Text(
        max_length=2_000, allow_blank=False, help_text="Where the server is to fetch it, if the project allows that."
    )


@extend_schema_serializer(component_name="Picture")
class PictureSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="What responses call it: the digest of the stored file.")
    width = serializers.IntegerField()
    height = serializers.IntegerField()
    size = serializers.IntegerField(help_text="Bytes.")
    created_at = serializers.DateTimeField()


class ConsequenceRowSerializer(StrictSerializer):
    prompt = Text(max_length=MAX_REF, help_text="The prompt's ref.")
    response = Text(max_length=MAX_REF, help_text="The response's ref.")
    text = Text(max_length=MAX_TEXT, help_text="What came of following it; empty takes it away.")


@extend_schema_serializer(component_name="ConsequencesIn")
class ConsequencesInSerializer(StrictSerializer):
    consequences = ConsequenceRowSerializer(many=True, max_length=1_000, allow_empty=False)  # type: ignore[call-arg]


@extend_schema_serializer(component_name="Prompt")
class PromptSerializer(serializers.Serializer[Any]):
    ref = serializers.CharField()
    messages = MessageSerializer(many=True)
    topic = serializers.CharField()
    about = ObjectField()
    created_at = serializers.DateTimeField()


@extend_schema_serializer(component_name="PromptDetail")
class PromptDetailSerializer(PromptSerializer):
    responses = serializers.SerializerMethodField()
    pairs = serializers.SerializerMethodField()

    @extend_schema_field(ResponseSerializer(many=True))
    def get_responses(self, prompt: Prompt) -> Any:
        return ResponseSerializer(prompt.responses.select_related("picture"), many=True).data

    def get_pairs(self, prompt: Prompt) -> int:
        return prompt.pairs.filter(withdrawn_at=None).count()


@extend_schema_serializer(component_name="PairIn")
class PairInSerializer(StrictSerializer):
    prompt = Text(max_length=MAX_REF, help_text="The prompt's ref.")
    response_a = Text(max_length=MAX_REF)
    response_b = Text(max_length=MAX_REF)
    gold = serializers.ChoiceField(
        ["", *GOLD_CHOICES], default="", help_text="The known answer, on the sides as they are given here."
    )


@extend_schema_serializer(component_name="Pair")
class PairSerializer(serializers.Serializer[Any]):
    """In the pair's own terms: `response_a` is the older of the two."""

    id = serializers.IntegerField()
    prompt = serializers.CharField(source="prompt.ref")
    response_a = serializers.CharField(source="response_a.ref")
    response_b = serializers.CharField(source="response_b.ref")
    cap = serializers.IntegerField(help_text="At most so many people get it.")
    taken = serializers.IntegerField(help_text="So many have judged it or have it open.")
    gold = serializers.ChoiceField(["", *GOLD_CHOICES], source="gold_choice")
    withdrawn = serializers.SerializerMethodField()

    def get_withdrawn(self, pair: Pair) -> bool:
        return pair.withdrawn_at is not None


@extend_schema_serializer(component_name="Lineup")
class LineupSerializer(serializers.Serializer[Any]):
    """Responses to one prompt that are put in order, or one that is rated."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(Lineup.Kind.choices)
    prompt = serializers.CharField(source="prompt.ref")
    responses = serializers.SerializerMethodField(help_text="Refs, the oldest first.")
    cap = serializers.IntegerField(help_text="At most so many people get it.")
    taken = serializers.IntegerField(help_text="So many have judged it or have it open.")
    gold = serializers.BooleanField(help_text="Whether what is right of it is known.")
    qualifying = serializers.BooleanField(help_text="Whether it is asked before anything else.")
    withdrawn = serializers.SerializerMethodField()

    def get_responses(self, lineup: Lineup) -> list[str]:
        refs: dict[int, str] = self.context["refs"]
        return [refs[pk] for pk in lineup.responses]

    def get_withdrawn(self, lineup: Lineup) -> bool:
        return lineup.withdrawn_at is not None


# Many at once


@extend_schema_serializer(component_name="BulkIn")
class BulkInSerializer(StrictSerializer):
    """Rows as `attune import` reads them: judgments with their texts, or prompts with responses."""

    rows = serializers.ListField(child=ObjectField(), allow_empty=False, max_length=10_000)
    pairs = Whole(min_value=0, max_value=2016, allow_null=True, default=None, help_text="Pairs for each prompt.")
    dry_run = Truth(default=False, help_text="Say what would happen, and change nothing.")


@extend_schema_serializer(component_name="ImportReport")
class ImportReportSerializer(serializers.Serializer[Any]):
    shape = serializers.ChoiceField(["judgments", "prompts"])
    format = serializers.CharField()
    written = serializers.BooleanField()
    dry_run = serializers.BooleanField()
    rows = serializers.IntegerField()
    new = serializers.DictField(child=serializers.IntegerField())
    duplicates = serializers.IntegerField(help_text="Rows that were there already.")
    rejected = serializers.IntegerField()
    problems = serializers.ListField(child=ObjectField())
    summary = serializers.CharField()
