"""What the annotator app's API takes and gives. Sides are ``a`` (left) and ``b`` (right), as shown; places in rankings and of
the response of a rating are ``1`` … ``8``, in the order shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from annotator.api import examples
from annotator.api.fields import Number, StrictSerializer, Text, Truth, Whole
from annotator.models import HINDSIGHT, Flag, Judgment, Response, Span
from annotator.services.answers import (
    CHOICES_OF,
    MAX_FLAG_NOTE,
    MAX_RATIONALE,
    MAX_SKIP_REASON,
    Answer,
    Choice,
    FlagAbout,
    FlagRaised,
    Tag,
)
from annotator.services.aspects import Better, Compared, Rated
from annotator.services.marks import MAX_COMMENT, PLACES, Mark, Side

SIDES = ["a", "b"]
ANYWHERE = [*SIDES, *PLACES]
CHOICES = Judgment.Choice.values
_ON_SCREEN: dict[str, Side] = {"a": "left", "b": "right", **{place: place for place in PLACES}}
_ABOUT_ON_SCREEN: dict[str, FlagAbout] = {**_ON_SCREEN, "prompt": "prompt", "both": "both"}
_BETTER_ON_SCREEN: dict[str, Better] = {"a": "left", "b": "right", "tie": "tie", "na": "na"}
_CHOICE_ON_SCREEN: dict[str, Choice] = {
    **{each: each for choices in CHOICES_OF.values() for each in choices},
    "a": "left",
    "b": "right",
}


def as_side(choice: str) -> str:
    """``left`` is side a of the API."""
    return {"left": "a", "right": "b"}.get(choice, choice)


@extend_schema_serializer(component_name="TagIn")
class TagSerializer(StrictSerializer):
    tag = Text(max_length=40, allow_blank=False, help_text="Key of one of the project's reason tags.")
    side = serializers.ChoiceField(ANYWHERE, help_text="Of a pair, or the place of a response as shown.")
    good = Truth()


@extend_schema_serializer(component_name="SpanIn")
class SpanSerializer(StrictSerializer):
    side = serializers.ChoiceField(ANYWHERE)
    start = Whole(min_value=0, help_text="First code point of the response's source text.")
    end = Whole(min_value=1, help_text="One past the last code point.")
    quote = Text(max_length=200_000, help_text="What stands there.")
    good = Truth()
    tag = Text(max_length=40, default="")
    comment = Text(max_length=MAX_COMMENT, default="")


@extend_schema_serializer(component_name="RatingIn")
class RatingSerializer(StrictSerializer):
    aspect = Text(max_length=40, allow_blank=False)
    side = serializers.ChoiceField([*SIDES, PLACES[0]], help_text="`1` for a response that is rated by itself.")
    value = Whole(min_value=1, max_value=10, allow_null=True, help_text="Null: it does not apply.")


@extend_schema_serializer(component_name="ComparisonIn")
class ComparisonSerializer(StrictSerializer):
    aspect = Text(max_length=40, allow_blank=False)
    better = serializers.ChoiceField(["a", "b", "tie", "na"], help_text="`na`: it does not apply.")


@extend_schema_serializer(component_name="FlagIn")
class FlagSerializer(StrictSerializer):
    kind = serializers.ChoiceField(Flag.Kind.choices)
    about = serializers.ChoiceField(list(_ABOUT_ON_SCREEN), default="both", help_text="Sides as shown.")
    note = Text(max_length=MAX_FLAG_NOTE, default="")


@extend_schema_serializer(component_name="RevisionIn")
class RevisionInSerializer(StrictSerializer):
    """What is said instead. Tags, spans and a rationale are optional unless the project requires a reason."""

    choice = serializers.ChoiceField(
        CHOICES,
        help_text="Of a pair, sides as shown: `a` was on the left. `ranked` goes with `ranking`, `rated` with `rating`, and"
        " `na` says that a response does not fit on the scale.",
    )
    ranking = serializers.ListField(
        child=serializers.ListField(child=Whole(min_value=1, max_value=8), allow_empty=False, max_length=8),
        default=[],
        max_length=8,
        help_text="Places as shown, the best first; those in one list are equal: `[[2], [1, 3]]`.",
    )
    rating = Whole(min_value=0, max_value=10, allow_null=True, default=None, help_text="On the project's scale.")
    strength = Whole(
        min_value=1, max_value=3, allow_null=True, default=None, help_text="1 slightly, 2 clearly, 3 much."
    )
    skip_reason = Text(max_length=MAX_SKIP_REASON, default="")
    tags = TagSerializer(many=True, default=[])
    rationale = Text(max_length=MAX_RATIONALE, default="")
    spans = SpanSerializer(many=True, default=[])
    flag = FlagSerializer(allow_null=True, default=None, help_text="Something that the owner must see.")
    ratings = RatingSerializer(many=True, default=[], help_text="Aspects rated on a scale.")
    comparisons = ComparisonSerializer(many=True, default=[], help_text="Aspects compared.")
    seconds = Number(min_value=0, max_value=86_400, allow_null=True, default=None, help_text="Time taken.")

    def answer(self) -> Answer:
        """The validated body in terms of the screen."""
        return answer_from(self.validated_data)


@extend_schema_serializer(component_name="JudgmentIn", examples=examples.JUDGMENT_IN)
class JudgmentInSerializer(RevisionInSerializer):
    """What was said of a pair. Tags, spans and a rationale are optional unless the project requires a reason."""

    assignment = serializers.UUIDField()


def answer_from(said: dict[str, Any]) -> Answer:
    """Validated fields of a judgment in terms of the screen."""
    return Answer(
        choice=_CHOICE_ON_SCREEN[said["choice"]],
        strength=said["strength"],
        ranking=tuple(tuple(PLACES[place - 1] for place in group) for group in said["ranking"]),
        rating=said["rating"],
        skip_reason=said["skip_reason"],
        tags=tuple(Tag(t["tag"], _ON_SCREEN[t["side"]], t["good"]) for t in said["tags"]),
        text=said["rationale"],
        marks=tuple(Mark(**{**span, "side": _ON_SCREEN[span["side"]]}) for span in said["spans"]),
        flag=_flag(said["flag"]),
        aspects=(
            *(Rated(each["aspect"], _ON_SCREEN[each["side"]], each["value"]) for each in said["ratings"]),
            *(Compared(each["aspect"], _BETTER_ON_SCREEN[each["better"]]) for each in said["comparisons"]),
        ),
        seconds=said["seconds"],
    )


def _flag(said: dict[str, Any] | None) -> FlagRaised | None:
    return FlagRaised(said["kind"], _ABOUT_ON_SCREEN[said["about"]], said["note"]) if said else None


@extend_schema_serializer(component_name="MachineOpinion")
class OpinionSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    choice = serializers.CharField(help_text="a, b or tie; sides as shown.")
    swayed = serializers.BooleanField(help_text="It gave opposite answers in the two orders.")


@extend_schema_serializer(component_name="JudgmentStored", examples=examples.JUDGMENT_STORED)
class JudgmentStoredSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    assignment = serializers.UUIDField(allow_null=True)
    annotator = serializers.CharField()
    kind = serializers.ChoiceField(Judgment.Kind.choices)
    choice = serializers.ChoiceField(CHOICES, help_text="Sides as shown.")
    strength = serializers.IntegerField(allow_null=True)
    ranking = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()), help_text="Places as shown; empty if it is none."
    )
    rating = serializers.IntegerField(allow_null=True)
    revision = serializers.IntegerField()
    withdrawn = serializers.BooleanField()
    judged_at = serializers.DateTimeField()
    guess = serializers.FloatField(
        allow_null=True, help_text="What the model had thought before: the chance that `a`, as shown, is preferred."
    )
    machines = OpinionSerializer(
        many=True, help_text="What machine annotators had said of the pair, where the project tells it."
    )


@extend_schema_serializer(component_name="Span")
class SpanOutSerializer(serializers.Serializer[Any]):
    """A marked stretch of a response's source text, in code points."""

    response = serializers.SerializerMethodField(
        help_text="`a` or `b`, in the pair's own terms, or the number of the response in `responses`."
    )
    start = serializers.IntegerField()
    end = serializers.IntegerField()
    quote = serializers.CharField()
    good = serializers.BooleanField()
    tag = serializers.CharField()
    comment = serializers.CharField()

    def get_response(self, span: Span) -> str:
        if lineup := span.judgment.lineup:
            return str(lineup.responses.index(span.response_id) + 1)
        pair = span.judgment.pair
        return "a" if pair and span.response_id == pair.response_a_id else "b"


def know_refs(judgments: Iterable[Judgment]) -> list[Judgment]:
    """Read the refs of all their lineups' responses at once, for ``refs_of``."""
    rows = list(judgments)
    ids = {pk for each in rows if each.lineup for pk in each.lineup.responses}
    refs = dict(Response.objects.filter(pk__in=ids).values_list("pk", "ref")) if ids else {}
    for each in rows:
        each.__dict__["refs"] = [refs[pk] for pk in each.lineup.responses] if each.lineup else []
    return rows


def refs_of(judgment: Judgment) -> list[str]:
    """The refs of its lineup's responses, in the lineup's own order."""
    if "refs" not in judgment.__dict__:
        know_refs([judgment])
    refs: list[str] = judgment.__dict__["refs"]
    return refs


@extend_schema_serializer(component_name="Judgment", examples=examples.JUDGMENT)
class JudgmentSerializer(serializers.Serializer[Any]):
    """A judgment in the pair's own terms: `response_a` and `response_b` are the same for everybody. A ranking or a rating has
    `responses` in their place, the same for everybody too, and numbers them from 1 in `ranking`, `tags`, `spans`, `shown`."""

    id = serializers.IntegerField()
    annotator = serializers.CharField(source="annotator.ref")
    kind = serializers.ChoiceField(Judgment.Kind.choices)
    prompt = serializers.SerializerMethodField()
    response_a = serializers.CharField(source="pair.response_a.ref", default=None, allow_null=True)
    response_b = serializers.CharField(source="pair.response_b.ref", default=None, allow_null=True)
    responses = serializers.SerializerMethodField(help_text="Refs; empty for a pair.")
    choice = serializers.ChoiceField(CHOICES)
    strength = serializers.IntegerField(allow_null=True)
    ranking = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()),
        allow_null=True,
        help_text="The best first; those in one list are equal.",
    )
    rating = serializers.IntegerField(allow_null=True)
    scale = serializers.CharField(help_text="Of the rating, as it was then: `1-7`.")
    shown = serializers.ListField(child=serializers.IntegerField(), help_text="In which order, if it is no pair.")
    skip_reason = serializers.CharField()
    swapped = serializers.BooleanField(help_text="`response_b` was shown on the left.")
    repeat = serializers.SerializerMethodField(help_text="A hidden second look.")
    hindsight = serializers.SerializerMethodField(help_text="Given after what came of either response was shown.")
    rationale = serializers.SerializerMethodField()
    tags = serializers.SerializerMethodField()
    spans = SpanOutSerializer(many=True, help_text="Marked stretches.")
    flag = serializers.SerializerMethodField()
    seconds = serializers.FloatField(allow_null=True)
    revision = serializers.IntegerField()
    source = serializers.ChoiceField(Judgment.Source.choices)  # type: ignore[assignment]
    judged_at = serializers.DateTimeField()

    def get_prompt(self, judgment: Judgment) -> str:
        of = judgment.pair or judgment.lineup
        return of.prompt.ref if of else ""

    def get_responses(self, judgment: Judgment) -> list[str]:
        return refs_of(judgment)

    def get_repeat(self, judgment: Judgment) -> bool:
        return judgment.occasion not in (0, HINDSIGHT)

    def get_hindsight(self, judgment: Judgment) -> bool:
        return judgment.occasion == HINDSIGHT

    def get_rationale(self, judgment: Judgment) -> str:
        rationale = getattr(judgment, "rationale", None)
        return rationale.text if rationale else ""

    def get_tags(self, judgment: Judgment) -> list[dict[str, Any]]:
        rationale = getattr(judgment, "rationale", None)
        return rationale.tags if rationale else []

    def get_flag(self, judgment: Judgment) -> dict[str, str] | None:
        """What its annotator wanted the owner to see: kind, about and note; null for nothing."""
        flag = getattr(judgment, "flag", None)
        return {"kind": flag.kind, "about": flag.about, "note": flag.note} if flag else None


@extend_schema_serializer(component_name="JudgmentRevision")
class RevisionSerializer(JudgmentSerializer):
    withdrawn = serializers.BooleanField()


@extend_schema_serializer(component_name="JudgmentDetail")
class JudgmentDetailSerializer(serializers.Serializer[Any]):
    """A judgment as it is now, and all that was said before, oldest first."""

    current = RevisionSerializer()
    revisions = RevisionSerializer(many=True)


@extend_schema_serializer(component_name="JudgmentsIn")
class BulkJudgmentsSerializer(StrictSerializer):
    judgments = JudgmentInSerializer(many=True, allow_empty=False, max_length=1000)  # type: ignore[call-arg]


class ProblemRowSerializer(serializers.Serializer[Any]):
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    fields = serializers.DictField(child=serializers.CharField())  # type: ignore[assignment]


class StoredRowSerializer(serializers.Serializer[Any]):
    status = serializers.IntegerField(help_text="201, or why it was refused.")
    judgment = JudgmentStoredSerializer(allow_null=True)
    problem = ProblemRowSerializer(allow_null=True)


@extend_schema_serializer(component_name="JudgmentsStored")
class BulkStoredSerializer(serializers.Serializer[Any]):
    """One result for each judgment, in their order."""

    results = StoredRowSerializer(many=True)
