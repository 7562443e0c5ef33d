"""What policies have answered to one prompt, ranked by each person's reward. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from annotator.access import Access
from annotator.errors import AnnotatorError
from personalization.playground import Order, Ranking, letters_of, rank
from training.models import PolicyReply, PolicyTrial


@dataclass(frozen=True, slots=True)
class Ranked:
    """Replies with their letters, and the orders of those that are complete; or why there is no order."""

    lettered: list[tuple[str, PolicyReply]]
    ranking: Ranking | None
    problem: str

    @property
    def orders(self) -> list[Order]:
        return self.ranking.orders if self.ranking else []


def rank_replies(*, access: Access, trial: PolicyTrial, replies: Sequence[PolicyReply]) -> Ranked:
    """Order what has been answered so far, for everybody and for the trial's people."""
    lettered = list(zip(letters_of(len(replies)), replies, strict=True))
    complete = [(letter, reply.text) for letter, reply in lettered if reply.over and reply.text]
    if not complete:
        return Ranked(lettered, None, "")
    try:
        ranking = rank(
            access=access,
            prompt=trial.prompt,
            texts=[text for _, text in complete],
            refs=trial.people,
            everybody=True,
        )
    except (
        AnnotatorError
    ) as error:  # no live model, no scorer, somebody who is gone: the answers are there all the same
        return Ranked(lettered, None, str(error))
    return Ranked(lettered, _relettered(ranking, [letter for letter, _ in complete]), "")


def _relettered(ranking: Ranking, letters: Sequence[str]) -> Ranking:
    """The ranking with the replies' letters in place of those that ``rank`` gives to its texts."""
    theirs = dict(zip(letters_of(len(letters)), letters, strict=True))
    orders = [
        replace(order, places=[replace(place, letter=theirs[place.letter]) for place in order.places])
        for order in ranking.orders
    ]
    return replace(ranking, orders=orders)
