"""``GET /api/v1/projects/{slug}/quality``: whether the judgments can be trusted, in figures."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.access import project_for
from annotator.api import examples
from annotator.api.openapi import problems
from annotator.api.permissions import caller
from annotator.errors import NotFound
from annotator.models import QualityReport, Role


class IntervalSerializer(serializers.Serializer[Any]):
    estimate = serializers.FloatField()
    low = serializers.FloatField(help_text="The lower end of the 95 % interval.")
    high = serializers.FloatField()


class FigureSerializer(IntervalSerializer):
    of = serializers.IntegerField(help_text="Of so many observations.")


class AgreementSerializer(serializers.Serializer[Any]):
    units = serializers.IntegerField(help_text="Pairs that two or more judged.")
    answers = serializers.IntegerField()
    raw = IntervalSerializer(allow_null=True, help_text="The chance that two people said the same of a pair.")
    alpha = IntervalSerializer(allow_null=True, help_text="Krippendorff's α.")


class TopicAgreementSerializer(serializers.Serializer[Any]):
    topic = serializers.CharField()
    nominal = AgreementSerializer()
    ordinal = AgreementSerializer()


@extend_schema_serializer(component_name="RatingAgreement")
class RatingAgreementSerializer(serializers.Serializer[Any]):
    scale = serializers.CharField()
    ordinal = AgreementSerializer()


@extend_schema_serializer(component_name="AspectAgreement")
class AspectAgreementSerializer(serializers.Serializer[Any]):
    aspect = serializers.CharField()
    ordinal = AgreementSerializer()


class UsualSerializer(serializers.Serializer[Any]):
    seconds = serializers.FloatField(allow_null=True)
    others = serializers.FloatField(allow_null=True)
    sides = serializers.FloatField(allow_null=True)
    same = serializers.FloatField(allow_null=True)
    fit = serializers.FloatField(allow_null=True)
    ranked = serializers.FloatField(allow_null=True, required=False)
    rated = serializers.FloatField(allow_null=True, required=False)


class GroupSerializer(serializers.Serializer[Any]):
    annotators = serializers.IntegerField()
    judgments = serializers.IntegerField()
    usual = UsualSerializer(help_text="Medians over annotators.")
    verdicts = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="How many are typical, minority, contrary, inconsistent, unclear; or nothing yet.",
    )
    nominal = AgreementSerializer(help_text="On five answers: a, b, tie, both good, both bad.")
    ordinal = AgreementSerializer(help_text="On seven steps, from a much better to b much better.")
    ranking = AgreementSerializer(required=False, help_text="On places in rankings; a unit is a response.")
    ratings = RatingAgreementSerializer(many=True, required=False, help_text="On each scale that was used.")
    topics = TopicAgreementSerializer(many=True)
    aspects = AspectAgreementSerializer(many=True)
    left = FigureSerializer(allow_null=True, help_text="Preferences for the left side.")
    upper = FigureSerializer(
        allow_null=True, required=False, help_text="In rankings, preferences for the response shown further up."
    )
    longer = FigureSerializer(allow_null=True, help_text="Preferences for the longer response.")
    ties = FigureSerializer(allow_null=True)
    gold = FigureSerializer(allow_null=True, help_text="Known answers found.")
    same = FigureSerializer(allow_null=True, help_text="The same answer to a hidden repeat.")
    fit = FigureSerializer(allow_null=True, help_text="Choices guessed by people's own models.")
    cyclic = FigureSerializer(allow_null=True, help_text="Cycles among triads of the majority's choices.")
    cyclic_own = FigureSerializer(allow_null=True, help_text="Cycles among triads of each annotator's own choices.")


@extend_schema_serializer(component_name="Quality", examples=examples.QUALITY)
class QualitySerializer(serializers.Serializer[Any]):
    computed_at = serializers.DateTimeField()
    people = GroupSerializer(allow_null=True)
    simulated = GroupSerializer(allow_null=True, help_text="Simulated annotators, counted apart.")


class QualityView(APIView):
    """A project's quality report."""

    @extend_schema(
        operation_id="quality",
        summary="Whether the judgments can be trusted",
        responses={200: QualitySerializer, **problems()},
        tags=["data"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Agreement, habits and coherence with 95 % intervals, as a worker last computed them. For owners and viewers.

        Figures of each annotator and aggregated answers to each pair are exports: `format=people`, `format=pairs`.
        """
        project = project_for(caller(request), slug, Role.OWNER, Role.VIEWER).project
        report = QualityReport.objects.filter(project=project).defer("aggregates").first()
        if report is None:
            raise NotFound(
                "There is no quality report yet; a worker makes one within two minutes of the first judgments."
            )
        groups = {name: report.body.get(name) for name in ("people", "simulated")}
        return Response(QualitySerializer({"computed_at": report.computed_at, **groups}).data)
