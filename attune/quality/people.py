"""Figures of each annotator, and whether somebody is inconsistent or just of another taste.

Different taste is not bad quality. Whoever is far from the others but true to themselves (their own model, which has seen a
part of their choices, guesses the rest) is of a *minority*; whoever surely chooses the opposite of the others is *contrary*, by
taste or as the scale was misread; whoever is far from the others and can't be predicted, or says something else when asked
again, is *inconsistent*.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from attune.quality import ANSWERS
from attune.quality.coherence import coherence
from attune.quality.figures import FEW, Figure, Person, Usual, Verdict
from attune.quality.intervals import Z_SURE, Interval, mean_interval, median_interval, share_interval
from attune.quality.lineup_peers import lineup_earnings
from attune.quality.lineups import IDLE, TOO_FAST, LineupFigures, Placed, Shares, lineup_figures
from attune.quality.peers import correlated_agreement

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

A, B, TIE = 0, 1, 2
USUAL = ("others", "sides", "same", "fit", "ranked", "rated", "pooled_fit")
WITH_OTHERS = ("others", "ranked", "rated")
"""Likeness to others in pairs, rankings and ratings. Each is held against what is usual of its kind."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Judgments that stand, column by column (N,).

    ``annotator`` 0 … A − 1 and ``pair`` 0 … P − 1; ``answer`` and ``gold`` index ``ANSWERS``, gold is −1 where nothing is
    known; ``first`` looks and repeats; ``sided`` where the side shown is known; ``longer`` 1 where response a is the longer,
    −1 where b is; ``seconds`` and the model's ``guess`` P(a ≻ b) of before are NaN where unknown; ``words`` of the reason.
    """

    annotator: Ints
    pair: Ints
    response_a: Ints
    response_b: Ints
    answer: Ints
    first: Flags
    swapped: Flags
    sided: Flags
    longer: Ints
    gold: Ints
    seconds: Floats
    guess: Floats
    words: Ints

    def __len__(self) -> int:
        return len(self.annotator)

    def where(self, kept: Flags) -> Judged:
        """Only those rows."""
        return Judged(*(getattr(self, field.name)[kept] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Fits:
    """How often each annotator's own model (A,), and the pooled one, guessed choices that it had not been shown."""

    right: Ints
    pooled: Ints
    of: Ints


def people_figures(
    judged: Judged, annotators: int, fits: Fits, placed: Sequence[Placed] = ()
) -> tuple[list[Person], Usual]:
    """The figures of everybody (A,), each held against the others, and what is usual among them."""
    lineups = lineup_figures(placed, annotators)
    made = list(_without_verdicts(judged, annotators, fits, lineups, lineup_earnings(placed, annotators)))
    usual = Usual(_median_time(judged), **{name: _usual(made, name) for name in USUAL})
    return [_with_verdict(person, usual) for person in made], usual


def verdict_of(person: Person, usual: Usual) -> Verdict:
    """What the figures say together. Intervals of 99 %, so that among thousands few are pointed out by chance.

    Inconsistent: other answers when asked again than is usual; or far from the others while their own model does no
    better than a coin, and worse than is usual. Contrary: surely the opposite of what the others choose (or of what the pooled model
    guesses, where they share no pairs), which no coin does, and not usual here, as it is where people are of two minds. Minority: far from the others in which response they prefer (not only in how
    often they see no difference), and their own model guesses them, at least as often as the pooled one.
    """
    if _surely_below(person.same, usual.same):
        return "inconsistent"
    if _opposite(person, usual):
        return "contrary"
    if not any(_enough(getattr(person, name)) and getattr(usual, name) is not None for name in WITH_OTHERS):
        return ""
    other_side = _surely_below(person.sides, usual.sides) or _surely_below(person.ranked, usual.ranked)
    elsewhere = _surely_below(person.others, usual.others) or _surely_below(person.rated, usual.rated)
    if not other_side and not elsewhere:
        return "typical"
    if person.fit is None or person.fit.of < FEW:
        return "unclear"
    pooled = person.pooled_fit.estimate if person.pooled_fit else 0.0
    if other_side and person.fit.low > 0.5 and person.fit.estimate >= pooled:
        return "minority"
    unlike_a_taste = person.fit.low <= 0.5 and usual.fit is not None and person.fit.high < usual.fit
    return "inconsistent" if unlike_a_taste else "unclear"


def _opposite(person: Person, usual: Usual) -> bool:
    asked = [(person.sides, usual.sides), (person.ranked, usual.ranked)]
    if not any(_enough(figure) for figure, _ in asked):
        asked = [(person.pooled_fit, usual.pooled_fit)]
    return any(_surely_below(figure, 0.5) and _surely_below(figure, here) for figure, here in asked)


def _without_verdicts(
    judged: Judged, annotators: int, fits: Fits, lineups: LineupFigures, of_lineups: tuple[Ints, Floats]
) -> Iterator[Person]:
    first = judged.where(judged.first)
    decided = first.where(first.answer <= B)
    usual = _median_time(judged) or 0.0
    earned, peers = correlated_agreement(first.annotator, first.pair, first.answer, annotators)
    orders = coherence(
        decided.annotator,
        np.where(decided.answer == A, decided.response_a, decided.response_b),
        np.where(decided.answer == A, decided.response_b, decided.response_a),
        annotators,
    )
    right, pooled, of = _fits(decided, annotators, fits)
    shares: Shares = {
        **_counted(judged, first, decided, usual, annotators),
        "fit": (right, of),
        "pooled_fit": (pooled, fits.of),
        "cyclic": (orders.cyclic, orders.triads),
    }
    shares = _joined(shares, lineups.shares)
    times = _by_annotator(judged.annotator, judged.seconds, annotators)
    lengths = _by_annotator(judged.annotator, np.where(judged.words > 0, judged.words, np.nan), annotators)
    scores = _by_annotator(
        np.concatenate([first.annotator, of_lineups[0]]),
        np.concatenate([np.where(peers > 0, earned, np.nan), of_lineups[1]]),
        annotators,
    )
    n = np.bincount(first.annotator, minlength=annotators)
    for who in range(annotators):
        found = {name: _share(hits[who], of[who]) for name, (hits, of) in shares.items()}
        yield Person(
            judgments=int(n[who] + lineups.first[who]),
            minutes=float(np.minimum(times[who], IDLE * usual).sum() + lineups.effort[who]) / 60,
            seconds=_figure(median_interval(times[who]), len(times[who])),
            words=_words(np.concatenate([lengths[who], lineups.lengths[who]])),
            earned=_figure(mean_interval(scores[who]), len(scores[who])),
            on_cycle=int(orders.on_cycle[who]),
            verdict="",
            **found,
        )


def _counted(judged: Judged, first: Judged, decided: Judged, usual: float, annotators: int) -> Shares:
    """What only has to be counted: of all looks at pairs, of the first ones, and of those that saw a difference."""
    same, twice = _repeats(judged, annotators)
    shared, agreeing = _with_others(first)
    opposed, siding = _with_others(decided)
    count = _Counter(annotators)
    return {
        "fast": count(judged.annotator, judged.seconds < TOO_FAST * usual, np.isfinite(judged.seconds)),
        "gold": count(first.annotator, first.answer == first.gold, first.gold >= 0),
        "same": (same, twice),
        "others": count(first.annotator, agreeing, shared),
        "sides": count(decided.annotator, siding, opposed),
        "left": count(decided.annotator, (decided.answer == A) != decided.swapped, decided.sided),
        "longer": count(decided.annotator, (decided.answer == A) == (decided.longer > 0), decided.longer != 0),
        "ties": count(first.annotator, first.answer == TIE, np.ones(len(first), bool)),
        "reasons": count(judged.annotator, judged.words > 0, np.ones(len(judged), bool)),
    }


def _joined(pairs: Shares, lineups: Shares) -> Shares:
    """Figures that both have are of both together."""
    both = pairs.keys() & lineups.keys()
    together = {name: (pairs[name][0] + lineups[name][0], pairs[name][1] + lineups[name][1]) for name in both}
    return {**pairs, **lineups, **together}


def _words(lengths: Floats) -> Figure | None:
    return _figure(median_interval(lengths), len(lengths))


def _enough(figure: Figure | None) -> bool:
    return figure is not None and figure.of >= FEW


def share_of(hit: Flags, counts: Flags | None = None) -> Figure | None:
    """A share of rows (N,), of those that count."""
    of = len(hit) if counts is None else int(counts.sum())
    return _share(float(hit.sum() if counts is None else hit[counts].sum()), of)


class _Counter:
    """Hits and how many there were, by annotator (A,) each; hits may be parts of one."""

    def __init__(self, annotators: int) -> None:
        self.annotators = annotators

    def __call__(self, annotator: Ints, hit: NDArray[np.generic], counts: Flags) -> tuple[Floats, Ints]:
        hits = np.bincount(annotator[counts], weights=hit[counts].astype(float), minlength=self.annotators).astype(
            float
        )
        return hits, np.bincount(annotator[counts], minlength=self.annotators).astype(np.int64)


def _with_others(first: Judged) -> tuple[Flags, Floats]:
    """Which of these looks (N,) are at a pair that somebody else among them judged, and the share of others who said the same."""
    if not len(first):
        return np.zeros(0, bool), np.zeros(0)
    said = np.zeros((int(first.pair.max()) + 1, len(ANSWERS)))
    np.add.at(said, (first.pair, first.answer), 1.0)
    others = said.sum(axis=1)[first.pair] - 1
    agreeing = said[first.pair, first.answer] - 1
    return others > 0, np.divide(agreeing, others, out=np.zeros(len(first)), where=others > 0)


def _repeats(judged: Judged, annotators: int) -> tuple[Floats, Ints]:
    """How many hidden repeats got the first look's answer, of how many whose first look stands; (A,) each."""
    key = judged.annotator * (int(judged.pair.max(initial=0)) + 1) + judged.pair
    firsts, repeats = np.flatnonzero(judged.first), np.flatnonzero(~judged.first)
    order = firsts[np.argsort(key[firsts], kind="stable")]
    place = np.searchsorted(key[order], key[repeats]) if len(order) else np.zeros(len(repeats), np.int64)
    known = place < len(order)
    known[known] = key[order[place[known]]] == key[repeats[known]]
    again, before = repeats[known], order[place[known]] if len(order) else repeats[known]
    equal = (judged.answer[again] == judged.answer[before]).astype(float)
    hits = np.bincount(judged.annotator[again], weights=equal, minlength=annotators).astype(float)
    return hits, np.bincount(judged.annotator[again], minlength=annotators).astype(np.int64)


def _fits(decided: Judged, annotators: int, fits: Fits) -> tuple[Ints, Ints, Ints]:
    """As given; for annotators without, from the guesses that were made before each of their judgments."""
    guessed = np.isfinite(decided.guess)
    right = (decided.guess >= 0.5) == (decided.answer == A)
    hits, of = _Counter(annotators)(decided.annotator, right, guessed)
    own = fits.of > 0
    return np.where(own, fits.right, hits.astype(np.int64)), fits.pooled, np.where(own, fits.of, of)


def _by_annotator(annotator: Ints, values: Floats, annotators: int) -> list[Floats]:
    """The known values of each annotator."""
    known = np.isfinite(values)
    annotator, values = annotator[known], values[known]
    order = np.argsort(annotator, kind="stable")
    ends = np.searchsorted(annotator[order], np.arange(1, annotators))
    return np.split(values[order], ends)


def _median_time(judged: Judged) -> float | None:
    known = judged.seconds[np.isfinite(judged.seconds)]
    return float(np.median(known)) if len(known) else None


def _usual(people: list[Person], name: str) -> float | None:
    known = [figure.estimate for person in people if (figure := getattr(person, name)) and figure.of >= FEW]
    return float(np.median(known)) if known else None


def _with_verdict(person: Person, usual: Usual) -> Person:
    values = {field.name: getattr(person, field.name) for field in fields(person)}
    return Person(**values | {"verdict": verdict_of(person, usual)})


def _surely_below(figure: Figure | None, usual: float | None) -> bool:
    if figure is None or usual is None or figure.of < FEW:
        return False
    sure = share_interval(figure.estimate * figure.of, figure.of, Z_SURE)
    return sure is not None and sure.high < usual


def _share(hits: float, of: int) -> Figure | None:
    return _figure(share_interval(float(hits), float(of)), int(of))


def _figure(interval: Interval | None, of: int) -> Figure | None:
    return Figure(interval.estimate, interval.low, interval.high, of) if interval else None
