"""What the API of runs and versions takes and gives."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from annotator.api.fields import StrictSerializer, Text, Truth, Whole
from annotator.models import JobState
from training.findings import findings
from training.models import ModelVersion, Run


class SettingSerializer(serializers.Serializer[Any]):
    """One setting of a model."""

    name = serializers.CharField()
    default = serializers.JSONField()
    takes = serializers.CharField(help_text="Type and bounds, in words.")
    about = serializers.CharField()


@extend_schema_serializer(component_name="ModelKind")
class KindSerializer(serializers.Serializer[Any]):
    """A model that can be trained, with what `options` of a run may name."""

    name = serializers.CharField()
    settings = SettingSerializer(many=True)


@extend_schema_serializer(component_name="RunIn")
class RunInSerializer(StrictSerializer):
    """Everything has a default: the project's own model, on its judgments as they are now."""

    model = Text(
        max_length=40, allow_null=True, default=None, help_text="A name of `/api/v1/models`; null: the project's."
    )
    options = serializers.DictField(default=dict, help_text="Options of the model.")
    doubtful = serializers.ChoiceField(
        choices=Run.Doubtful.choices,
        default=Run.Doubtful.KEEP,
        help_text="What to do with judgments that look mislabelled; margin: by bradley_terry and hybrid only.",
    )
    seed = Whole(min_value=0, max_value=2**31 - 1, default=0)
    promote = Truth(default=False, help_text="Make the version live when it is done.")
    snapshot = Text(
        max_length=80,
        allow_null=True,
        default=None,
        help_text="A snapshot's name or digest; null: the judgments as they are when it begins.",
    )


@extend_schema_serializer(component_name="Run")
class RunSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    state = serializers.ChoiceField(JobState.choices)
    model = serializers.CharField(source="model_name")
    encoder = serializers.CharField()
    options = serializers.JSONField()
    seed = serializers.IntegerField()
    trigger = serializers.ChoiceField(Run.Trigger.choices)
    progress = serializers.SerializerMethodField()
    error = serializers.CharField()
    version = serializers.SerializerMethodField(help_text="What came of it, such as hybrid@3.")
    snapshot = serializers.SerializerMethodField(help_text="Digest of what it was fitted on.")
    metrics = serializers.SerializerMethodField()
    findings = serializers.SerializerMethodField(help_text="What the model found out, in sentences.")
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_progress(self, run: Run) -> dict[str, Any]:
        progress: dict[str, Any] = run.progress
        return progress

    @extend_schema_field({"type": ["string", "null"]})
    def get_version(self, run: Run) -> str | None:
        version: ModelVersion | None = getattr(run, "version", None)
        return version.label if version else None

    @extend_schema_field({"type": ["string", "null"]})
    def get_snapshot(self, run: Run) -> str | None:
        return run.snapshot.digest if run.snapshot else None

    def get_findings(self, run: Run) -> list[str]:
        return findings(run.metrics)

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "number"}})
    def get_metrics(self, run: Run) -> dict[str, Any]:
        metrics: dict[str, Any] = run.metrics
        return metrics


@extend_schema_serializer(component_name="ModelVersion")
class VersionSerializer(serializers.Serializer[Any]):
    label = serializers.CharField()  # type: ignore[assignment]
    number = serializers.IntegerField()
    model = serializers.CharField(source="model_name")
    encoder = serializers.CharField()
    state = serializers.ChoiceField(ModelVersion.State.choices)
    run = serializers.IntegerField(source="run.number")
    digest = serializers.CharField()
    metrics = serializers.DictField(child=serializers.FloatField(allow_null=True))
    erased = serializers.IntegerField(help_text="People in its snapshot who were erased since it was made.")
    created_at = serializers.DateTimeField()


@extend_schema_serializer(component_name="PromoteIn")
class PromoteSerializer(StrictSerializer):
    reason = Text(max_length=200, default="", help_text="Kept in the history.")
