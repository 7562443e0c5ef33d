"""Rewards beyond one list of scores: many prompts and users, orders, best of n, populations, chances of a preference."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from annotator.access import project_for
from annotator.api.permissions import caller
from annotator.models import ApiToken
from personalization.api import reward_schemas as schemas
from personalization.api.explanations import DIGITS, explanation
from personalization.api.reading import read_batch, read_best, read_compare, read_population, read_rank
from personalization.api.schemas import problems
from personalization.asking import Basis, Preference, Ranked, compare, rank, score_batch, score_population
from personalization.explaining import explain_first
from personalization.panels import Who
from personalization.voices import Asker, Voice

ERRORS = problems(400, 409, 413, 422, 429, 503)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class RewardView(APIView):
    """What the views here share."""

    required_scope = ApiToken.Scope.SCORE

    def asker(self, request: Request, slug: str) -> Asker:
        user = caller(request)
        return Asker(project_for(user, slug), user.pk)


class BatchView(RewardView):
    """Rewards of many prompts' completions for many people."""

    @extend_schema(
        operation_id="score_batch",
        summary="Score many prompts, for many people",
        request={"application/json": schemas.BATCH_REQUEST},
        responses={200: schemas.BATCH_RESPONSE, **ERRORS},
        examples=schemas.BATCH_EXAMPLES,
        tags=["rewards"],
    )
    def post(self, request: Request) -> HttpResponse:
        """`users` scores every item for each of them; without it each item has its own `user`. Each text is encoded once,
        whatever the number of people."""
        body = read_batch(request.data)
        basis, rows, cached = score_batch(
            asker=self.asker(request, body.project), scale=body.scale, questions=body.questions, users=body.users
        )
        data = [
            {
                "index": index,
                "object": "scores",
                "cached": cached[index],
                "rewards": [
                    {**_voice(voice), "scores": _round(scores.mean.tolist()), "stds": _round(scores.std.tolist())}
                    for voice, scores in row
                ],
            }
            for index, row in enumerate(rows)
        ]
        return _answer("scores", basis, data=data)


class RankView(RewardView):
    """The order in which a person, or a population, would like a prompt's completions."""

    @extend_schema(
        operation_id="rank",
        summary="Rank completions",
        request={"application/json": schemas.RANK_REQUEST},
        responses={200: schemas.RANK_RESPONSE, **ERRORS},
        tags=["rewards"],
    )
    def post(self, request: Request) -> HttpResponse:
        """Best first. `first` is the chance that a completion is the best: over what is not known of one person, or the
        share of the population for whom it is. `explain` adds why the first comes before the second."""
        body = read_rank(request.data)
        asker = self.asker(request, body.project)
        basis, (order,) = rank(asker=asker, scale=body.scale, questions=body.questions, who=body.who)
        rows = [_place(n, each) for n, each in enumerate(order[: body.top_n], 1)]
        extra: dict[str, Any] = {}
        if body.explain:
            question = body.questions[0]
            why = explain_first(
                asker=asker,
                model=basis.served.label,
                prompt=question.prompt,
                completions=question.completions,
                order=[each.index for each in order],
                who=body.who,
            )
            extra = {"explanation": explanation(why)}
        return _answer("ranking", basis, data=rows, **_whose(basis, body.who), **extra)


class BestOfView(RewardView):
    """The best of n completions, for each of many prompts."""

    @extend_schema(
        operation_id="best_of_n",
        summary="Choose the best of n",
        request={"application/json": schemas.BEST_REQUEST},
        responses={200: schemas.BEST_RESPONSE, **ERRORS},
        tags=["rewards"],
    )
    def post(self, request: Request) -> HttpResponse:
        """`user` or `population` holds for all items; without them each item has its own `user`."""
        body = read_best(request.data)
        asker = self.asker(request, body.project)
        basis, orders = rank(asker=asker, scale=body.scale, questions=body.questions, who=body.who)
        data = [
            {
                "index": index,
                "object": "best",
                "best": order[0].index,
                "completion": question.completions[order[0].index],
                "score": round(order[0].score, DIGITS),
                "std": round(order[0].std, DIGITS),
                "first": round(order[0].first, DIGITS),
                "scores": _round(each.score for each in sorted(order, key=lambda one: one.index)),
            }
            for index, (question, order) in enumerate(zip(body.questions, orders, strict=True))
        ]
        return _answer("best_of_n", basis, data=data, **_whose(basis, body.who))


class PopulationView(RewardView):
    """A population's rewards: their mean or their least, by group, and how far people differ."""

    @extend_schema(
        operation_id="score_population",
        summary="Score completions for a population",
        request={"application/json": schemas.POPULATION_REQUEST},
        responses={200: schemas.POPULATION_RESPONSE, **ERRORS},
        tags=["rewards"],
    )
    def post(self, request: Request) -> HttpResponse:
        """For owners and viewers. `how: worst` is the reward of whoever likes a completion least (MaxMin). People's rewards
        need not share a zero: `normalize: percentile` puts them on one scale before they are put together."""
        body = read_population(request.data)
        asker = self.asker(request, body.project)
        found = score_population(asker=asker, scale=body.scale, question=body.questions[0], who=body.who)
        columns = zip(found.mean, found.std, found.spread, found.lowest, found.cached, strict=True)
        data = [
            {
                "index": index,
                "object": "score",
                "score": round(mean, DIGITS),
                "std": round(std, DIGITS),
                "spread": round(spread, DIGITS),
                "lowest": {"user": name, "score": round(lowest, DIGITS)},
                "cached": cached,
            }
            for index, (mean, std, spread, (name, lowest), cached) in enumerate(columns)
        ]
        groups = [
            {"group": each.name, "n": each.count, "scores": _round(each.mean), "stds": _round(each.std)}
            for each in found.groups
        ]
        return _answer("population", found.basis, data=data, groups=groups, **_whose(found.basis, body.who))


class CompareView(RewardView):
    """The chance that one response is preferred to another."""

    @extend_schema(
        operation_id="compare",
        summary="Predict preferences",
        request={"application/json": schemas.COMPARE_REQUEST},
        responses={200: schemas.COMPARE_RESPONSE, **ERRORS},
        tags=["rewards"],
    )
    def post(self, request: Request) -> HttpResponse:
        """P(a ≻ b), ties aside, with what is not known of the person averaged over. For a population its mean over people,
        and how it is distributed among them."""
        body = read_compare(request.data)
        asker = self.asker(request, body.project)
        basis, found = compare(asker=asker, model=body.model, pairs=body.pairs, who=body.who)
        data = [_preference(index, each, body.who) for index, each in enumerate(found)]
        return _answer("preferences", basis, data=data, **_whose(basis, body.who))


# The answers


def _answer(kind: str, basis: Basis, *, data: Sequence[object], **more: object) -> HttpResponse:
    body = {
        "id": f"{kind.replace('_', '-')}-{uuid.uuid4().hex}",
        "object": "list",
        "created": int(time.time()),
        "model": basis.served.label,
        "data": data,
        "usage": {"encoded": basis.encoded, "voices": len(basis.voices)},
        **more,
    }
    return HttpResponse(orjson.dumps(body), content_type="application/json")


def _whose(basis: Basis, who: Who) -> dict[str, object]:
    if who.population is None:
        return {"personalization": [_voice(voice) for voice in basis.voices]}
    simulated = sum(voice.simulated for voice in basis.voices)
    return {"population": {"how": who.population.how, "people": len(basis.voices), "simulated": simulated}}


def _voice(voice: Voice) -> dict[str, object]:
    return {"user": voice.name, "n_judgments": voice.n_judgments, "fallback": voice.n_judgments == 0}


def _place(rank_: int, each: Ranked) -> dict[str, object]:
    return {
        "rank": rank_,
        "index": each.index,
        "object": "place",
        "score": round(each.score, DIGITS),
        "std": round(each.std, DIGITS),
        "first": round(each.first, DIGITS),
        "cached": each.cached,
    }


def _preference(index: int, each: Preference, who: Who) -> dict[str, object]:
    row: dict[str, object] = {
        "index": index,
        "object": "preference",
        "probability": round(each.probability, DIGITS),
        "margin": round(each.margin, DIGITS),
        "std": round(each.std, DIGITS),
        "tie": None if each.tie is None else round(each.tie, DIGITS),
    }
    if who.population is not None:
        people = np.array(each.each)
        row["distribution"] = {
            "std": round(float(people.std()), DIGITS),
            "prefer_a": round(float((people > 0.5).mean()), DIGITS),
            "quantiles": {
                str(q): round(float(value), DIGITS)
                for q, value in zip(QUANTILES, np.quantile(people, QUANTILES), strict=True)
            },
        }
    return row


def _round(values: Any) -> list[float]:
    return [round(value, DIGITS) for value in values]
