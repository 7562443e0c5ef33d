"""What may be said beside the arguments of a call, by name, so that a type checker knows a slip of the pen.

All are optional, and None is the server's own default, save where a set-up is changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

import httpx

from attune.client.said import Context
from attune.client.transport import Retry

Population = Mapping[str, Any]
Normalize = Literal["none", "sigmoid", "percentile"]
Aggregate = Literal["mean", "wco", "uwo"]
Looks = Literal["first", "hindsight", "both"]
Kept = Literal["drop", "keep"]
Both = Literal["drop", "tie"]
ForTrainers = Literal["preference", "implicit", "kto", "prompts", "ranked", "sft", "reward"]
ForOthers = Literal["rationales", "spans", "contexts", "label_studio", "argilla"]


class ScaleOptions(TypedDict, total=False):
    """Which version answers, on which scale, and how an ensemble's members become one reward."""

    model: str | None
    normalize: Normalize | None
    aggregate: Aggregate | None


class ScoreOptions(ScaleOptions, total=False):
    user: str | None
    context: Context | None
    explain: bool | None


class BatchOptions(ScaleOptions, total=False):
    users: Sequence[str | None] | None


class RankOptions(ScoreOptions, total=False):
    population: Population | None
    top_n: int | None


class BestOptions(TypedDict, total=False):
    user: str | None
    population: Population | None
    model: str | None
    aggregate: Aggregate | None


class PopulationOptions(TypedDict, total=False):
    model: str | None
    normalize: Normalize | None


class CompareOptions(TypedDict, total=False):
    user: str | None
    population: Population | None
    context: Context | None
    model: str | None


class SaidOptions(TypedDict, total=False):
    """What is said of a task beside the choice."""

    strength: int | None
    ranking: Sequence[Sequence[int]] | None
    rating: int | None
    skip_reason: str | None
    rationale: str | None
    tags: Sequence[Mapping[str, Any]] | None
    spans: Sequence[Mapping[str, Any]] | None
    ratings: Sequence[Mapping[str, Any]] | None
    comparisons: Sequence[Mapping[str, Any]] | None
    flag: Mapping[str, Any] | None
    seconds: float | None


class ProjectOptions(TypedDict, total=False):
    slug: str | None
    description: str | None
    template: str | None
    key: str | None


class SetupOptions(TypedDict, total=False):
    """What of a project's set-up is to change; None is a value like any other."""

    name: str
    description: str
    instructions: str
    kinds: Sequence[Literal["pair", "ranking", "rating"]]
    scale: Literal["1-5", "1-7", "0-10"]
    scale_low: str
    scale_high: str
    critique_min: int
    reason_tags: Sequence[Mapping[str, Any]]
    rationales: Literal["off", "optional", "required", "strong"]
    choosing: Literal["information", "coverage", "listed", "random"]
    overlap: int
    overlap_cap: int | None
    shared_share: float
    lease_minutes: int
    daily_goal: int
    repeat_rate: float
    gold_rate: float
    hindsight_rate: float
    hindsight_trains: Looks
    picture_urls: bool
    refit_every: int
    show_guess: bool
    show_machines: bool
    source_note: str


class PromptOptions(TypedDict, total=False):
    ref: str | None
    topic: str | None
    about: Mapping[str, Any] | None
    responses: Sequence[Mapping[str, Any]] | None
    after: Sequence[Mapping[str, str]] | None
    pairs: int | None
    key: str | None


class ResponseOptions(TypedDict, total=False):
    pairs: int | None
    key: str | None


class PairOptions(TypedDict, total=False):
    gold: str | None
    key: str | None


class BulkOptions(TypedDict, total=False):
    pairs: int | None
    dry_run: bool | None


class ExportOptions(TypedDict, total=False):
    format: Literal["judgments", "trl", "pairs", "people", "known"] | None
    sides: Literal["pair", "shown"] | None
    revisions: bool | None


class DatasetOptions(TypedDict, total=False):
    form: ForTrainers | ForOthers | None
    ties: Literal["drop", "both"] | None
    both_good: Both | None
    both_bad: Both | None
    flagged: Kept | None
    repeats: Kept | None
    hindsight: Looks | None
    people: Literal["training", "all"] | None
    failed_checks: Kept | None
    simulated: Literal["include", "exclude", "only"] | None
    split: Literal["none", "annotator", "prompt", "time"] | None
    held_out: float | None
    names: Literal["hashed", "references"] | None
    salt: str | None


class FileOptions(ExportOptions, DatasetOptions, total=False):
    """Of an export or, with a ``form``, of a dataset; the server refuses what is the other's."""

    type: Literal["jsonl", "csv", "zip", "json", "parquet", "folder"] | None


class RunOptions(TypedDict, total=False):
    model: str | None
    options: Mapping[str, Any] | None
    seed: int | None
    promote: bool | None
    key: str | None


class _Connection(TypedDict, total=False):
    url: str | None
    token: str | None
    retry: Retry
    timeout: httpx.Timeout | float


class Connection(_Connection, total=False):
    """What ``Client`` is made with."""

    transport: httpx.BaseTransport | None


class AsyncConnection(_Connection, total=False):
    """The same of ``AsyncClient``."""

    transport: httpx.AsyncBaseTransport | None
