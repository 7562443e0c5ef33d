"""What owners say of a pair through the API: whom it is pinned to, what is right of it, the last word.

A pair is named by its prompt and its two responses, in either order; answers are in the order of the request. Each is a
PUT: sent twice, it does what it does once.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.access import project_for
from annotator.api.fields import StrictSerializer, Text, Truth
from annotator.api.openapi import problems
from annotator.api.permissions import caller
from annotator.errors import Invalid, NotFound
from annotator.models import Annotator, Pair, Project, Role
from annotator.models.content import GOLD_CHOICES
from annotator.services.adjudicating import MAX_NOTE, adjudicate
from annotator.services.content import MAX_REF
from annotator.services.gold import set_gold
from annotator.services.pinning import pin_pair

MOST_PEOPLE = 1_000
_FLIPPED = {"a": "b", "b": "a"}


class PairNamedSerializer(StrictSerializer):
    prompt = Text(max_length=MAX_REF, allow_blank=False, help_text="The prompt's id.")
    response_a = Text(max_length=MAX_REF, allow_blank=False, help_text="A response's id.")
    response_b = Text(max_length=MAX_REF, allow_blank=False, help_text="The other one's.")


@extend_schema_serializer(component_name="PinIn")
class PinSerializer(PairNamedSerializer):
    annotators = serializers.ListField(child=Text(max_length=MAX_REF), min_length=1, max_length=MOST_PEOPLE)


@extend_schema_serializer(component_name="Pinned")
class PinnedSerializer(serializers.Serializer[Any]):
    pinned = serializers.IntegerField(help_text="So many get the pair next who did not have it.")
    had_it = serializers.ListField(child=serializers.CharField(), help_text="Who has judged, skipped or open it.")


@extend_schema_serializer(component_name="KnownAnswer")
class GoldSerializer(PairNamedSerializer):
    answer = serializers.ChoiceField(GOLD_CHOICES, allow_null=True, help_text="What is right; null: nothing is known.")
    qualifying = Truth(default=False, help_text="Asked before anything else.")


@extend_schema_serializer(component_name="Decision")
class DecisionSerializer(PairNamedSerializer):
    answer = serializers.ChoiceField(GOLD_CHOICES, allow_null=True, help_text="The last word; null takes it back.")
    note = Text(max_length=MAX_NOTE, default="")


class _PairView(APIView):
    """Finds the pair that a request names, for its owner."""

    body_class: type[PairNamedSerializer]

    def named(self, request: Request, slug: str) -> tuple[dict[str, Any], Pair, bool]:
        """The checked body, the pair, and whether the request has its responses the other way round."""
        project = project_for(caller(request), slug, Role.OWNER).project
        body = self.body_class(data=request.data)
        body.is_valid(raise_exception=True)
        said: dict[str, Any] = body.validated_data
        refs = [said["response_a"], said["response_b"]]
        pair = (
            Pair.objects.filter(project=project, prompt__ref=said["prompt"])
            .filter(response_a__ref__in=refs, response_b__ref__in=refs)
            .select_related("project", "response_a", "response_b")
            .first()
        )
        if pair is None:
            raise NotFound(f"No pair of the prompt “{said['prompt'][:80]}” has these two responses.")
        return said, pair, pair.response_a.ref != said["response_a"]


class PinView(_PairView):
    """Pairs for certain people."""

    body_class = PinSerializer

    @extend_schema(
        operation_id="pin_pair",
        summary="Give a pair to people next",
        request=PinSerializer,
        responses={200: PinnedSerializer, **problems(400, 409, 422)},
        tags=["pairs"],
    )
    def put(self, request: Request, slug: str) -> Response:
        """They get it before anything else, and a place is held for each, also in a pair that is full. For owners."""
        said, pair, _ = self.named(request, slug)
        outcome = pin_pair(
            pair=pair, annotators=annotators_called(pair.project, said["annotators"]), by=caller(request)
        )
        return Response({"pinned": outcome.new, "had_it": outcome.had_it})


class GoldView(_PairView):
    """Known answers."""

    body_class = GoldSerializer

    @extend_schema(
        operation_id="set_known_answer",
        summary="Write a pair's known answer",
        request=GoldSerializer,
        responses={200: GoldSerializer, **problems(400, 422)},
        tags=["pairs"],
    )
    def put(self, request: Request, slug: str) -> Response:
        """It is mixed in at the project's rate, and annotators can't tell it from other pairs. For owners."""
        said, pair, flipped = self.named(request, slug)
        set_gold(pair=pair, choice=_own(said["answer"], flipped), qualifying=said["qualifying"], by=caller(request))
        return Response(said)


class DecisionView(_PairView):
    """The last word on pairs."""

    body_class = DecisionSerializer

    @extend_schema(
        operation_id="decide_pair",
        summary="Decide a contested pair",
        request=DecisionSerializer,
        responses={200: DecisionSerializer, **problems(400, 422)},
        tags=["pairs"],
    )
    def put(self, request: Request, slug: str) -> Response:
        """Kept beside the judgments, which stay as they are. The same decision again changes nothing. For owners."""
        said, pair, flipped = self.named(request, slug)
        choice = _own(said["answer"], flipped)
        last = pair.adjudications.filter(current=True).first()
        if (last.choice if last else "", last.note if last else "") != (choice, said["note"].strip()):
            adjudicate(pair=pair, choice=choice, note=said["note"], by=caller(request))
        return Response(said)


def _own(choice: str | None, flipped: bool) -> str:
    """In the pair's own terms."""
    return _FLIPPED.get(choice or "", choice or "") if flipped else choice or ""


def annotators_called(project: Project, refs: list[str]) -> list[Annotator]:
    found = {each.ref: each for each in Annotator.objects.filter(project=project, ref__in=refs)}
    if (missing := next((ref for ref in refs if ref not in found), None)) is not None:
        raise Invalid(
            f"There is no annotator “{missing[:80]}”.", fields={"annotators": f"“{missing[:80]}” is nobody here."}
        )
    return [found[ref] for ref in dict.fromkeys(refs)]
