"""What the API gives to be judged."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from annotator.api import examples
from annotator.api.project_serializers import AspectOutSerializer, ReasonTagSerializer
from annotator.models import Judgment, Project


class MessageSerializer(serializers.Serializer[Any]):
    role = serializers.CharField()
    content = serializers.CharField()


class NextPromptSerializer(serializers.Serializer[Any]):
    ref = serializers.CharField()
    messages = MessageSerializer(many=True)


class NextPictureSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    width = serializers.IntegerField()
    height = serializers.IntegerField()
    url = serializers.CharField(help_text="Path on this server; with the same token.")


class NextResponseSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(help_text="What it says; of a picture, what it shows.")
    picture = NextPictureSerializer(allow_null=True)
    after = MessageSerializer(many=True, help_text="How the conversation went on after it.")
    consequence = serializers.CharField(help_text="What came of following it; with a second look only, else empty.")


class NextScaleSerializer(serializers.Serializer[Any]):
    low = serializers.IntegerField()
    high = serializers.IntegerField()
    low_label = serializers.CharField()
    high_label = serializers.CharField()
    critique_min = serializers.IntegerField(help_text="Characters of rationale that a rating needs.")


@extend_schema_serializer(component_name="NextPair", examples=examples.NEXT)
class NextSerializer(serializers.Serializer[Any]):
    """A pair has `a` and `b`; a ranking 3 to 8 `responses`, a rating one, whose places are 1, 2, … in this order."""

    kind = serializers.ChoiceField(Judgment.Kind.choices)
    assignment = serializers.UUIDField(help_text="Goes back with the judgment.")
    annotator = serializers.CharField()
    prompt = NextPromptSerializer()
    a = NextResponseSerializer(allow_null=True, help_text="The response to show on the left; null if it is no pair.")
    b = NextResponseSerializer(allow_null=True, help_text="The response to show on the right; null if it is no pair.")
    responses = NextResponseSerializer(many=True, help_text="In the order to show; empty for a pair.")
    scale = NextScaleSerializer(allow_null=True, help_text="Of a rating.")
    hindsight = serializers.BooleanField(help_text="A second look: say which is better now that you know.")
    reason_tags = ReasonTagSerializer(many=True)
    aspects = AspectOutSerializer(many=True)
    rationales = serializers.ChoiceField(Project.Rationales.choices)
    rationale_min = serializers.IntegerField()
    lease_until = serializers.DateTimeField(help_text="Until then the pair is kept for this annotator.")
