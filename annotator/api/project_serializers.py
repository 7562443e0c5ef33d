"""What the API says of projects."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from annotator.api import examples
from annotator.models import Aspect, Judgment, Project, Role


class ReasonTagSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    only = serializers.SerializerMethodField(help_text="`good` or `bad` where it can be given as that alone.")

    def get_only(self, tag: dict[str, str]) -> str:
        return tag.get("only", "")


@extend_schema_serializer(component_name="AspectAsked")
class AspectOutSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    way = serializers.ChoiceField(Aspect.Way.choices)
    steps = serializers.IntegerField(help_text="Of the scale, where it is rated.")


@extend_schema_serializer(component_name="Project")
class ProjectSerializer(serializers.Serializer[Any]):
    slug = serializers.CharField(source="project.slug")
    name = serializers.CharField(source="project.name")
    description = serializers.CharField(source="project.description")
    role = serializers.ChoiceField(Role.choices, help_text="What the caller is in it.")
    archived = serializers.SerializerMethodField()

    def get_archived(self, row: Any) -> bool:
        return row.project.archived_at is not None


@extend_schema_serializer(component_name="ProjectDetail", examples=examples.PROJECT)
class ProjectDetailSerializer(ProjectSerializer):
    instructions = serializers.CharField(source="project.instructions", help_text="Markdown, for the annotators.")
    kinds = serializers.ListField(
        child=serializers.ChoiceField(Judgment.Kind.choices), source="project.kinds", help_text="What is asked for."
    )
    scale = serializers.ChoiceField(Project.Scale.choices, source="project.scale", help_text="Of ratings.")
    scale_low = serializers.CharField(source="project.scale_low", help_text="What its lowest place means.")
    scale_high = serializers.CharField(source="project.scale_high", help_text="What its highest place means.")
    critique_min = serializers.IntegerField(
        source="project.critique_min", help_text="Characters of rationale that a rating needs."
    )
    reason_tags = ReasonTagSerializer(source="project.reason_tags", many=True)
    rationales = serializers.ChoiceField(
        Project.Rationales.choices, source="project.rationales", help_text="Whether a reason is asked for."
    )
    rationale_min = serializers.IntegerField(
        source="project.rationale_min", help_text="Where one is needed: characters of own words; 0: a tag will do."
    )
    overlap = serializers.IntegerField(source="project.overlap", help_text="So many people are enough for a new pair.")
    lease_minutes = serializers.IntegerField(source="project.lease_minutes")
    counts = serializers.SerializerMethodField()

    def get_counts(self, _row: Any) -> dict[str, int]:
        """Pairs that are not withdrawn, judgments that stand, annotators."""
        counts: dict[str, int] = self.context["counts"]
        return counts
