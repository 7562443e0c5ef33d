"""Which response stood where: between the names on the screen and the names in which a judgment is kept.

On the screen a pair has ``left`` and ``right``, a lineup the places ``1`` … ``8`` in the order shown. A pair's own names are
``a`` and ``b``, those of a lineup's responses their numbers in its own order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from annotator.keys import LETTERS
from annotator.models import Judgment, Response
from annotator.services.marks import PLACES, SIDES, Side


@dataclass(frozen=True)
class Layout:
    """``screen``, ``own`` and ``responses`` (ids) belong together place by place, in the order of the screen."""

    kind: Judgment.Kind
    screen: tuple[Side, ...]
    own: tuple[str, ...]
    responses: tuple[int, ...]

    @cached_property
    def own_of(self) -> dict[Side, str]:
        """Names on the screen to own names."""
        return dict(zip(self.screen, self.own, strict=True))

    @cached_property
    def screen_of(self) -> dict[str, Side]:
        """The inverse of ``own_of``."""
        return dict(zip(self.own, self.screen, strict=True))

    @cached_property
    def response_of(self) -> dict[Side, int]:
        """Names on the screen to responses."""
        return dict(zip(self.screen, self.responses, strict=True))

    @cached_property
    def place_of(self) -> dict[int, Side]:
        """Responses to names on the screen."""
        return dict(zip(self.responses, self.screen, strict=True))

    def texts(self) -> dict[Side, str]:
        """The responses as shown; one query."""
        found = dict(Response.objects.filter(pk__in=self.responses).values_list("pk", "text"))
        return {side: found[pk] for side, pk in self.response_of.items()}


def pair_layout(response_a_id: int, response_b_id: int, *, swapped: bool) -> Layout:
    """A pair; ``swapped``: b was on the left."""
    own, responses = ("a", "b"), (response_a_id, response_b_id)
    return Layout(Judgment.Kind.PAIR, SIDES, own[::-1] if swapped else own, responses[::-1] if swapped else responses)


def lineup_layout(kind: str, responses: Sequence[int], shown: Sequence[int]) -> Layout:
    """A lineup; ``shown`` are numbers in the order of ``responses``, from 1, as they were on the screen."""
    order = tuple(shown) or tuple(range(1, len(responses) + 1))
    return Layout(
        Judgment.Kind(kind),
        PLACES[: len(responses)],
        tuple(str(number) for number in order),
        tuple(responses[number - 1] for number in order),
    )


def layout_of(judgment: Judgment) -> Layout:
    """As its annotator saw what it is of. Reads the pair or the lineup, unless that was read before."""
    if lineup := judgment.lineup:
        return lineup_layout(judgment.kind, lineup.responses, judgment.shown)
    pair = judgment.pair
    assert pair is not None  # a check constraint
    return pair_layout(pair.response_a_id, pair.response_b_id, swapped=judgment.swapped)


def letters(count: int) -> str:
    """The names of ``count`` responses, in the order shown: W, X, Y for three."""
    return LETTERS[len(LETTERS) - count :]
