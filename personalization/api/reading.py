"""Reading the bodies of the routes of ``api.rewards``: several questions, several users, populations, pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from attune.rewards.aggregates import UWO_PENALTY, Across, Aggregate
from personalization.api.fields import (
    Fields,
    Wrong,
    as_flag,
    as_name,
    as_name_or_null,
    as_object,
    as_one_of,
    as_prompt,
    as_response,
    refuse,
)
from personalization.api.parsing import read_completions, read_context
from personalization.asking import Pair, Question
from personalization.panels import Scale, Who
from personalization.scoring import Normalize
from personalization.voices import MOST_VOICES, Over, Population

MAX_QUESTIONS = 1024
MAX_TEXTS = 4096
"""Completions in one request, over all its questions."""
MAX_USERS = MOST_VOICES
MAX_SCORES = 262_144
"""Scores in one answer."""
MAX_PAIRS = 1024
MAX_GROUPS = 100
SCALE = ("project", "model", "normalize", "aggregate", "penalty")
WHO = ("user", "context", "population")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchBody:
    """``POST /score/batch``."""

    project: str
    scale: Scale
    questions: list[Question]
    users: list[str | None] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RankBody:
    """``POST /rank`` (one question), ``/best-of-n`` (several) and ``/score/population`` (one)."""

    project: str
    scale: Scale
    questions: list[Question]
    who: Who
    top_n: int | None = None
    explain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareBody:
    """``POST /compare``."""

    project: str
    model: str | None
    pairs: list[Pair]
    who: Who


def read_batch(body: object) -> BatchBody:
    """Raises ``Invalid`` with one reason per wrong field; so do all of these."""
    fields = Fields(as_object(body), {})
    fields.refuse_others((*SCALE, "users", "items"))
    fields.require("project", "items")
    users = fields.read("users", _users, None)
    questions = _questions(fields, own_user=users is None)
    texts = sum(len(each.completions) for each in questions)
    if texts * len(users or [None]) > MAX_SCORES:
        fields.faults["users"] = (
            f"times the completions are {texts * len(users or [])}; expected at most {MAX_SCORES:,}"
        )
    result = BatchBody(
        project=fields.read("project", as_name, ""), scale=_scale(fields), questions=questions, users=users
    )
    refuse(fields.faults)
    return result


def read_rank(body: object) -> RankBody:
    """One question: the order of its completions."""
    fields = Fields(as_object(body), {})
    fields.refuse_others((*SCALE, *WHO, "prompt", "completions", "top_n", "explain"))
    fields.require("project", "prompt", "completions")
    question = _question(fields)
    result = RankBody(
        project=fields.read("project", as_name, ""),
        scale=_scale(fields),
        questions=[question],
        who=_who(fields, question.prompt),
        top_n=fields.read("top_n", _positive_or_null, None),
        explain=fields.read("explain", as_flag, False),
    )
    if result.explain and result.who.population:
        fields.faults["explain"] = "goes with one user, not with a population"
    refuse(fields.faults)
    return result


def read_best(body: object) -> RankBody:
    """Several questions, each with n completions and possibly a user of its own."""
    fields = Fields(as_object(body), {})
    fields.refuse_others((*SCALE, "user", "population", "items"))
    fields.require("project", "items")
    shared = "user" in fields.given or fields.given.get("population") is not None
    result = RankBody(
        project=fields.read("project", as_name, ""),
        scale=_scale(fields),
        questions=_questions(fields, own_user=not shared),
        who=_who(fields, ""),
    )
    refuse(fields.faults)
    return result


def read_population(body: object) -> RankBody:
    """One question and a population."""
    fields = Fields(as_object(body), {})
    fields.refuse_others((*SCALE, "prompt", "completions", "population"))
    fields.require("project", "prompt", "completions")
    question = _question(fields)
    result = RankBody(
        project=fields.read("project", as_name, ""),
        scale=_scale(fields),
        questions=[question],
        who=Who(population=_population(fields) or Population()),
    )
    refuse(fields.faults)
    return result


def read_compare(body: object) -> CompareBody:
    """One pair, or up to ``MAX_PAIRS`` of them."""
    fields = Fields(as_object(body), {})
    fields.refuse_others(("project", "model", *WHO, "pairs", "prompt", "response_a", "response_b"))
    fields.require("project")
    pairs = _pairs(fields)
    result = CompareBody(
        project=fields.read("project", as_name, ""),
        model=fields.read("model", as_name_or_null, None),
        pairs=pairs,
        who=_who(fields, pairs[0].prompt if pairs else ""),
    )
    refuse(fields.faults)
    return result


# Parts


def _scale(fields: Fields) -> Scale:
    return Scale(
        model=fields.read("model", as_name_or_null, None),
        normalize=fields.read("normalize", lambda value: as_one_of(value, get_args(Normalize)), "none"),
        aggregate=fields.read("aggregate", lambda value: as_one_of(value, get_args(Aggregate)), "mean"),
        penalty=fields.read("penalty", _penalty, UWO_PENALTY),
    )


def _who(fields: Fields, prompt: str) -> Who:
    population = _population(fields)
    if population and (fields.given.get("user") is not None or fields.given.get("context")):
        fields.faults["population"] = "goes with neither user nor context"
    return Who(
        user=fields.read("user", as_name_or_null, None), context=read_context(fields, prompt), population=population
    )


def _population(fields: Fields) -> Population | None:
    given = fields.given.get("population")
    if given is None:
        return None
    if not isinstance(given, dict):
        fields.faults["population"] = "must be an object"
        return None
    inner = Fields(given, fields.faults, "population.")
    inner.refuse_others(("over", "users", "how", "group_by", "groups", "simulated"))
    nobody: tuple[str, ...] = ()
    users = inner.read("users", _refs, nobody)
    population = Population(
        over=inner.read("over", lambda value: as_one_of(value, get_args(Over)), "users" if users else "annotators"),
        users=users,
        how=inner.read("how", lambda value: as_one_of(value, get_args(Across)), "mean"),
        group_by=inner.read("group_by", as_name, ""),
        groups=inner.read("groups", _groups, {}),
        simulated=inner.read("simulated", lambda value: None if value is None else as_flag(value), None),
    )
    if (population.over == "users") != bool(population.users):
        fields.faults.setdefault("population.users", "must name 1 or more users where over is “users”, and only there")
    if population.group_by and population.groups:
        fields.faults.setdefault("population.groups", "goes without group_by")
    return population


def _questions(fields: Fields, *, own_user: bool) -> list[Question]:
    given = fields.given.get("items", [])
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_QUESTIONS:
        fields.faults.setdefault("items", f"must be a list of 1 to {MAX_QUESTIONS} objects")
        return []
    questions = []
    for index, each in enumerate(given):
        if not isinstance(each, dict):
            fields.faults[f"items[{index}]"] = "must be an object"
            continue
        inner = Fields(each, fields.faults, f"items[{index}].")
        inner.refuse_others(("prompt", "completions", "user") if own_user else ("prompt", "completions"))
        inner.require("prompt", "completions")
        questions.append(_question(inner, own_user=own_user))
    if sum(len(each.completions) for each in questions) > MAX_TEXTS:
        fields.faults["items"] = f"have more than {MAX_TEXTS:,} completions in all"
    return questions


def _question(fields: Fields, *, own_user: bool = False) -> Question:
    user = fields.read("user", as_name_or_null, None) if own_user else None
    return Question(fields.read("prompt", as_prompt, ""), read_completions(fields), user)


def _pairs(fields: Fields) -> list[Pair]:
    if "pairs" not in fields.given:
        fields.require("prompt", "response_a", "response_b")
        return [_pair(fields)]
    for name in ("prompt", "response_a", "response_b"):
        if name in fields.given:
            fields.faults[name] = "goes without pairs"
    given = fields.given["pairs"]
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_PAIRS:
        fields.faults["pairs"] = f"must be a list of 1 to {MAX_PAIRS} objects"
        return []
    pairs = []
    for index, each in enumerate(given):
        if not isinstance(each, dict):
            fields.faults[f"pairs[{index}]"] = "must be an object"
            continue
        inner = Fields(each, fields.faults, f"pairs[{index}].")
        inner.refuse_others(("prompt", "response_a", "response_b"))
        inner.require("prompt", "response_a", "response_b")
        pairs.append(_pair(inner))
    return pairs


def _pair(fields: Fields) -> Pair:
    return Pair(
        fields.read("prompt", as_prompt, ""),
        fields.read("response_a", as_response, ""),
        fields.read("response_b", as_response, ""),
    )


def _users(value: object) -> list[str | None]:
    return _list(value, as_name_or_null, MAX_USERS)


def _refs(value: object) -> tuple[str, ...]:
    return tuple(_list(value, as_name, MAX_USERS))


def _list(value: object, parse: Callable[[Any], Value], most: int) -> list[Value]:
    if not isinstance(value, list) or not 1 <= len(value) <= most:
        raise Wrong(f"must be a list of 1 to {most:,} references")
    found = [parse(each) for each in value]
    if len(set(found)) < len(found):
        raise Wrong("names somebody twice")
    return found


def _groups(value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict) or not 1 <= len(value) <= MAX_GROUPS:
        raise Wrong(f"must be an object of 1 to {MAX_GROUPS} lists of references by name")
    return {as_name(name): _refs(refs) for name, refs in value.items()}


def _positive_or_null(value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise Wrong("must be a whole number of 1 or more, or null")


def _penalty(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100:
        return float(value)
    raise Wrong("must be a number from 0 to 100")
