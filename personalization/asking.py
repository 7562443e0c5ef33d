"""What trainers ask of rewards beyond one list of scores: batches, the order, the best of n, the chance of a preference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from attune.rewards.aggregates import Across, across, chance_of_first
from attune.rewards.base import Scores
from personalization.items import usable
from personalization.panels import Scale, Texts, Who, rewards, table, texts_of, voices_for
from personalization.voices import Asker, Voice, voices_called
from training.serving import ServedVersion

Array = NDArray[np.float32]

COMPARED_JOINTLY = 128
"""Of more responses than these the chance of being the best is shared among the likeliest only."""
TIE = "tie_probability"


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt with N completions; ``user`` is whose rewards where each question has its own."""

    prompt: str
    completions: tuple[str, ...]
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two responses to one prompt."""

    prompt: str
    response_a: str
    response_b: str


@dataclass(frozen=True, slots=True)
class Basis:
    """What an answer rests on: the version, the voices (one, or a population) and how many texts had to be encoded."""

    served: ServedVersion
    voices: tuple[Voice, ...]
    encoded: int


@dataclass(frozen=True, slots=True)
class Ranked:
    """One completion in the order, best first. ``first`` is the chance that it is the best: over what is not known of one
    person, or the share of a population for whom it is."""

    index: int
    score: float
    std: float
    first: float
    cached: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A part of a population: its own rewards, (N,) each."""

    name: str
    count: int
    mean: list[float]
    std: list[float]


@dataclass(frozen=True, slots=True)
class Shared:
    """A population's rewards of N completions: ``spread`` is how far its people differ, ``lowest`` who likes each least."""

    basis: Basis
    mean: list[float]
    std: list[float]
    spread: list[float]
    lowest: list[tuple[str, float]]
    cached: list[bool]
    groups: list[Group] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Preference:
    """P(a ≻ b | no tie) of one voice, or its mean over a population with the people's own in ``each``.

    ``margin`` is reward(a) − reward(b) and ``std`` its deviation; ``tie`` is None where the model knows no ties.
    """

    probability: float
    margin: float
    std: float
    tie: float | None
    each: list[float]


# Batches


def score_batch(
    *, asker: Asker, scale: Scale, questions: Sequence[Question], users: Sequence[str | None] | None
) -> tuple[Basis, list[list[tuple[Voice, Scores]]], list[list[bool]]]:
    """Each question's completions scored for each of ``users``, or (None) for the question's own user.

    By question: rows (voice, scores), and which completions were cached. Every text is encoded once.
    """
    texts = texts_of(asker=asker, model=scale.model, texts=_texts(questions))
    named = list(users) if users is not None else [question.user for question in questions]
    voices = voices_called(asker=asker, served=texts.served, users=named)
    rows, cached = [], []
    for question in questions:
        items = texts.items(question.prompt, question.completions)
        asked = [voices[user] for user in users] if users is not None else [voices[question.user]]
        rows.append([(voice, rewards(texts, voice, items, scale)) for voice in asked])
        cached.append(texts.cached(question.prompt, question.completions))
    return Basis(texts.served, tuple(voices.values()), texts.encoded), rows, cached


# Orders


def rank(*, asker: Asker, scale: Scale, questions: Sequence[Question], who: Who) -> tuple[Basis, list[list[Ranked]]]:
    """Each question's completions, best first. A question's own user goes before ``who``'s."""
    texts = texts_of(asker=asker, model=scale.model, texts=_texts(questions), context=who.context)
    own = voices_called(asker=asker, served=texts.served, users=[q.user for q in questions if q.user is not None])
    shared = voices_for(asker, texts, who) if len(own) == 0 or any(q.user is None for q in questions) else []
    orders = [
        _order(texts, [own[question.user]] if question.user is not None else shared, question, scale, who)
        for question in questions
    ]
    return Basis(texts.served, tuple(shared or own.values()), texts.encoded), orders


def _order(texts: Texts, voices: Sequence[Voice], question: Question, scale: Scale, who: Who) -> list[Ranked]:
    items = texts.items(question.prompt, question.completions)
    people = table(texts, voices, items, scale)
    scores, _ = across(people, _how(who))
    first = _first(texts, voices, items, people)
    cached = texts.cached(question.prompt, question.completions)
    # rewards that tie on a coarse scale (percentiles) are ordered by the model's own
    raw = (
        scores.mean
        if scale.normalize == "none"
        else across(table(texts, voices, items, _raw(scale)), _how(who))[0].mean
    )
    order = np.lexsort((np.arange(len(raw)), -raw, -scores.mean))
    return [Ranked(int(n), float(scores.mean[n]), float(scores.std[n]), float(first[n]), cached[n]) for n in order]


def _raw(scale: Scale) -> Scale:
    return Scale(model=scale.model, aggregate=scale.aggregate, penalty=scale.penalty)


def _first(texts: Texts, voices: Sequence[Voice], items: Array, people: Scores) -> Array:
    """The chance that each is the best, (N,): for one voice over its uncertainty, for several the share of them."""
    if len(voices) > 1:
        return np.asarray(np.bincount(people.mean.argmax(axis=1), minlength=len(items)) / len(voices), np.float32)
    likely = np.argsort(-people.mean[0], kind="stable")[:COMPARED_JOINTLY]
    shares = np.zeros(len(items), np.float32)
    shares[likely] = chance_of_first(*_differences(texts, voices[0], items[likely]))
    return shares


def _differences(texts: Texts, voice: Voice, items: Array) -> tuple[Array, Array]:
    """Rewards less the first one's: mean (N,) and covariance (N, N), from the model's margins of all pairs.

    Cov(x, y) = ½(Var x + Var y − Var(x − y)).
    """
    count = len(items)
    rows, columns = (index.ravel() for index in np.indices((count, count)))
    with usable(texts.served):
        mean, variance = texts.model.margin(voice.latent, items[rows], items[columns])
    table_ = variance.reshape(count, count)
    covariance = 0.5 * (table_[:, :1] + table_[:1, :] - table_)
    return mean.reshape(count, count)[:, 0], covariance


# Populations


def score_population(*, asker: Asker, scale: Scale, question: Question, who: Who) -> Shared:
    """A population's rewards of one question's completions, over all of it and by group."""
    texts = texts_of(asker=asker, model=scale.model, texts=_texts([question]))
    voices = voices_for(asker, texts, who)
    people = table(texts, voices, texts.items(question.prompt, question.completions), scale)
    scores, spread = across(people, _how(who))
    lowest = people.mean.argmin(axis=0)
    return Shared(
        Basis(texts.served, tuple(voices), texts.encoded),
        scores.mean.tolist(),
        scores.std.tolist(),
        spread.tolist(),
        [(str(voices[who].name), float(people.mean[who, n])) for n, who in enumerate(lowest)],
        texts.cached(question.prompt, question.completions),
        _by_group(voices, people, _how(who)),
    )


def _by_group(voices: Sequence[Voice], people: Scores, how: Across) -> list[Group]:
    members: dict[str, list[int]] = {}
    for row, voice in enumerate(voices):
        for name in voice.groups:
            members.setdefault(name, []).append(row)
    groups = []
    for name, rows in sorted(members.items()):
        scores, _ = across(Scores(people.mean[rows], people.std[rows]), how)
        groups.append(Group(name, len(rows), scores.mean.tolist(), scores.std.tolist()))
    return groups


def _how(who: Who) -> Across:
    return who.population.how if who.population else "mean"


# Pairs


def compare(*, asker: Asker, model: str | None, pairs: Sequence[Pair], who: Who) -> tuple[Basis, list[Preference]]:
    """P(a ≻ b | no tie) of each pair for one voice, with its uncertainty averaged over, or over a population."""
    sides = [(pair.prompt, text) for pair in pairs for text in (pair.response_a, pair.response_b)]
    texts = texts_of(asker=asker, model=model, texts=sides, context=who.context)
    voices = voices_for(asker, texts, who)
    items = np.stack([texts.items(prompt, [text])[0] for prompt, text in sides])
    found = [_preferences(texts, voice, items[::2], items[1::2]) for voice in voices]
    probability, mean, variance, tie = (np.stack(column) for column in zip(*found, strict=True))
    return Basis(texts.served, tuple(voices), texts.encoded), [
        Preference(
            float(probability[:, n].mean()),
            float(mean[:, n].mean()),
            float(np.sqrt(variance[:, n].sum()) / len(voices)),
            None if np.isnan(tie[:, n]).any() else float(tie[:, n].mean()),
            probability[:, n].tolist(),
        )
        for n in range(len(pairs))
    ]


def _preferences(texts: Texts, voice: Voice, a: Array, b: Array) -> tuple[Array, Array, Array, Array]:
    """Probability, margin, its variance and P(tie), (N,) each; NaN where the model knows no ties."""
    with usable(texts.served):
        probability = texts.model.probability(voice.latent, a, b)
        mean, variance = texts.model.margin(voice.latent, a, b)
        ties = getattr(texts.model, TIE, None)
        tie = ties(voice.latent, a, b) if ties else np.full(len(a), np.nan, np.float32)
    return probability, mean, variance, tie


def _texts(questions: Sequence[Question]) -> list[tuple[str, str]]:
    return [(question.prompt, text) for question in questions for text in question.completions]
