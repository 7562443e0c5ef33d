"""Every request that the clients make, as a value: what to send, and how to read the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack
from urllib.parse import quote

import httpx

from attune.client.options import Aggregate, FileOptions, Normalize, Population, SaidOptions, SetupOptions
from attune.client.results import Best, Judgment, Pair, Place, Preference, Ranking, RewardRow, Run, Scores, pick
from attune.client.said import Context
from attune.client.transport import Call, Operation, write

Prompt = str | Sequence[Mapping[str, str]]
Completion = str | Sequence[Mapping[str, str]]

__all__ = ["Place", "Population", "Prompt"]


def _given(**fields: Any) -> dict[str, Any]:
    """Only what was given: the server's defaults are its own."""
    return {name: value for name, value in fields.items() if value is not None}


def _json(response: httpx.Response) -> Any:
    return response.json()


def _project(slug: str, rest: str = "") -> str:
    return f"projects/{quote(slug, safe='')}{rest}"


# Rewards


def score(
    project: str,
    prompt: Prompt,
    completions: Sequence[Completion],
    *,
    user: str | None = None,
    model: str | None = None,
    context: Context | None = None,
    normalize: Normalize | None = None,
    aggregate: Aggregate | None = None,
    explain: bool | None = None,
) -> Operation[Scores]:
    body = _given(user=user, model=model, context=context, normalize=normalize, aggregate=aggregate, explain=explain)
    body |= {"project": project, "prompt": prompt, "completions": list(completions)}
    return Operation(Call("POST", "score", body), lambda response: Scores.read(response.json()))


def score_batch(
    project: str,
    items: Sequence[Mapping[str, Any]],
    *,
    users: Sequence[str | None] | None = None,
    model: str | None = None,
    normalize: Normalize | None = None,
    aggregate: Aggregate | None = None,
) -> Operation[list[list[RewardRow]]]:
    body = _given(users=users, model=model, normalize=normalize, aggregate=aggregate)
    body |= {"project": project, "items": list(items)}
    return Operation(
        Call("POST", "score/batch", body),
        lambda response: [[pick(RewardRow, row) for row in item["rewards"]] for item in response.json()["data"]],
    )


def rank(
    project: str,
    prompt: Prompt,
    completions: Sequence[Completion],
    *,
    user: str | None = None,
    population: Population | None = None,
    context: Context | None = None,
    model: str | None = None,
    normalize: Normalize | None = None,
    aggregate: Aggregate | None = None,
    top_n: int | None = None,
    explain: bool | None = None,
) -> Operation[Ranking]:
    body = _given(
        user=user, population=population, context=context, model=model, normalize=normalize, aggregate=aggregate
    )
    body |= _given(top_n=top_n, explain=explain)
    body |= {"project": project, "prompt": prompt, "completions": list(completions)}
    return Operation(Call("POST", "rank", body), lambda response: Ranking.read(response.json()))


def best_of_n(
    project: str,
    items: Sequence[Mapping[str, Any]],
    *,
    user: str | None = None,
    population: Population | None = None,
    model: str | None = None,
    aggregate: Aggregate | None = None,
) -> Operation[list[Best]]:
    body = _given(user=user, population=population, model=model, aggregate=aggregate)
    body |= {"project": project, "items": list(items)}
    return Operation(
        Call("POST", "best-of-n", body), lambda response: [pick(Best, row) for row in response.json()["data"]]
    )


def score_population(
    project: str,
    prompt: Prompt,
    completions: Sequence[Completion],
    *,
    population: Population | None = None,
    model: str | None = None,
    normalize: Normalize | None = None,
) -> Operation[dict[str, Any]]:
    body = _given(population=population, model=model, normalize=normalize)
    body |= {"project": project, "prompt": prompt, "completions": list(completions)}
    return Operation(Call("POST", "score/population", body), _json)


def compare(
    project: str,
    pairs: Sequence[Mapping[str, Any]],
    *,
    user: str | None = None,
    population: Population | None = None,
    context: Context | None = None,
    model: str | None = None,
) -> Operation[list[Preference]]:
    body = _given(user=user, population=population, context=context, model=model)
    body |= {"project": project, "pairs": list(pairs)}
    return Operation(
        Call("POST", "compare", body), lambda response: [pick(Preference, row) for row in response.json()["data"]]
    )


# Collecting


def token() -> Operation[dict[str, Any]]:
    return Operation(Call("GET", "token"), _json)


def project(slug: str) -> Operation[dict[str, Any]]:
    return Operation(Call("GET", _project(slug)), _json)


def next_pair(slug: str, *, annotator: str | None = None) -> Operation[Pair | None]:
    return Operation(
        Call("GET", _project(slug, "/next"), params=_given(annotator=annotator, kind="pair")),
        lambda response: None if response.status_code == 204 else Pair.read(response.json()),
    )


def next_task(slug: str, *, annotator: str | None = None, kind: str | None = None) -> Operation[dict[str, Any] | None]:
    return Operation(
        Call("GET", _project(slug, "/next"), params=_given(annotator=annotator, kind=kind)),
        lambda response: None if response.status_code == 204 else response.json(),
    )


def judge(
    slug: str, assignment: str, choice: str, *, key: str | None = None, **said: Unpack[SaidOptions]
) -> Operation[Judgment]:
    body = {"assignment": assignment, "choice": choice, **_given(**said)}
    return Operation(
        write(_project(slug, "/judgments"), body, key=key), lambda response: pick(Judgment, response.json())
    )


def withdraw(slug: str, judgment: int, *, key: str | None = None) -> Operation[Judgment]:
    return Operation(
        write(_project(slug, f"/judgments/{judgment}/withdraw"), key=key),
        lambda response: pick(Judgment, response.json()),
    )


def revise(
    slug: str, judgment: int, choice: str, *, key: str | None = None, **said: Unpack[SaidOptions]
) -> Operation[Judgment]:
    return Operation(
        write(_project(slug, f"/judgments/{judgment}/revise"), {"choice": choice, **_given(**said)}, key=key),
        lambda response: pick(Judgment, response.json()),
    )


def judge_many(
    slug: str, judgments: Sequence[Mapping[str, Any]], *, key: str | None = None
) -> Operation[list[dict[str, Any]]]:
    return Operation(
        write(_project(slug, "/judgments/bulk"), {"judgments": list(judgments)}, key=key),
        lambda response: list(response.json()["results"]),
    )


def create_project(
    name: str,
    *,
    slug: str | None = None,
    description: str | None = None,
    template: str | None = None,
    key: str | None = None,
) -> Operation[dict[str, Any]]:
    body = {"name": name, **_given(slug=slug, description=description, template=template)}
    return Operation(write("projects", body, key=key), _json)


def change_project(slug: str, changes: SetupOptions, *, etag: str) -> Operation[dict[str, Any]]:
    call = Call("PATCH", _project(slug), dict(changes), headers={"If-Match": etag})
    return Operation(call, _json)


def etag(slug: str) -> Operation[str]:
    return Operation(Call("GET", _project(slug)), lambda response: str(response.headers["ETag"]))


def add_prompt(
    slug: str,
    prompt: Prompt,
    *,
    ref: str | None = None,
    topic: str | None = None,
    about: Mapping[str, Any] | None = None,
    responses: Sequence[Mapping[str, Any]] | None = None,
    after: Sequence[Mapping[str, str]] | None = None,
    pairs: int | None = None,
    key: str | None = None,
) -> Operation[dict[str, Any]]:
    body = _given(ref=ref, topic=topic, about=about, responses=responses, after=after, pairs=pairs)
    return Operation(write(_project(slug, "/prompts"), {"prompt": prompt, **body}, key=key), _json)


def add_responses(
    slug: str, ref: str, responses: Sequence[Mapping[str, Any]], *, pairs: int | None = None, key: str | None = None
) -> Operation[dict[str, Any]]:
    path = _project(slug, f"/prompts/{quote(ref, safe='')}/responses")
    return Operation(write(path, {"responses": list(responses), **_given(pairs=pairs)}, key=key), _json)


def add_pair(
    slug: str, prompt: str, response_a: str, response_b: str, *, gold: str | None = None, key: str | None = None
) -> Operation[dict[str, Any]]:
    body = {"prompt": prompt, "response_a": response_a, "response_b": response_b, **_given(gold=gold)}
    return Operation(write(_project(slug, "/pairs"), body, key=key), _json)


def bulk(
    slug: str, rows: Sequence[Mapping[str, Any]], *, pairs: int | None = None, dry_run: bool | None = None
) -> Operation[dict[str, Any]]:
    return Operation(
        Call("POST", _project(slug, "/bulk"), {"rows": list(rows), **_given(pairs=pairs, dry_run=dry_run)}), _json
    )


def add_picture(slug: str, content: bytes) -> Operation[dict[str, Any]]:
    headers = {"Content-Type": "application/octet-stream"}
    return Operation(Call("POST", _project(slug, "/pictures"), headers=headers, content=content), _json)


def set_consequences(slug: str, consequences: Sequence[Mapping[str, str]]) -> Operation[list[dict[str, Any]]]:
    return Operation(
        Call("POST", _project(slug, "/consequences"), {"consequences": list(consequences)}),
        lambda response: response.json(),
    )


def upload(
    slug: str,
    path: Path,
    *,
    confirm: bool,
    skip_bad: bool,
    in_parts: bool = False,
    columns: Sequence[str] = (),
    who: str | None = None,
) -> Operation[dict[str, Any]]:
    params = {"name": path.name, "confirm": str(confirm).lower(), "skip_bad": str(skip_bad).lower()}
    params |= {"in_parts": "true"} if in_parts else {}
    params |= _given(annotator=who, map=list(columns) or None)
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(path.stat().st_size)}
    return Operation(Call("POST", _project(slug, "/imports"), params=params, headers=headers, content=path), _json)


def import_state(slug: str, number: int) -> Operation[dict[str, Any]]:
    return Operation(Call("GET", _project(slug, f"/imports/{number}")), _json)


def confirm_import(slug: str, number: int, *, skip_bad: bool) -> Operation[dict[str, Any]]:
    path = _project(slug, f"/imports/{number}/confirm")
    return Operation(Call("POST", path, params={"skip_bad": str(skip_bad).lower()}), _json)


# Runs


def start_run(
    slug: str,
    *,
    model: str | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int | None = None,
    promote: bool | None = None,
    key: str | None = None,
) -> Operation[Run]:
    body = _given(model=model, options=options, seed=seed, promote=promote)
    return Operation(write(_project(slug, "/runs"), body, key=key), lambda response: pick(Run, response.json()))


def run(slug: str, number: int) -> Operation[Run]:
    return Operation(Call("GET", _project(slug, f"/runs/{number}")), lambda response: pick(Run, response.json()))


def promote(slug: str, version: str, *, reason: str = "") -> Operation[dict[str, Any]]:
    return Operation(write(_project(slug, f"/models/{quote(version, safe='@')}/promote"), {"reason": reason}), _json)


# Lists


def pages(path: str, **params: Any) -> Operation[dict[str, Any]]:
    """The first page of a list."""
    return Operation(Call("GET", path, params=_given(**params)), _json)


def page(url: str) -> Operation[dict[str, Any]]:
    """A further page, by the address that the one before gave."""
    parts = httpx.URL(url)
    return Operation(Call("GET", parts.raw_path.decode()), _json)


def listing(slug: str, what: str) -> str:
    """The path of a project's list."""
    return _project(slug, f"/{what}")


def export(slug: str, **asked: Unpack[FileOptions]) -> Call:
    """An export, or (with a ``form``) a dataset."""
    route = "/dataset" if "form" in asked else "/export"
    given = {name: str(value).lower() if isinstance(value, bool) else value for name, value in _given(**asked).items()}
    return Call("GET", _project(slug, route), params=given)


def classifier(slug: str, **options: Any) -> Call:
    """A reward model to take away, as a zip."""
    return Call("GET", _project(slug, "/classifier"), params=_given(**options))
