"""The client for ordinary code."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar, Unpack

import httpx
import orjson

from attune.client import operations
from attune.client import options as told
from attune.client.errors import ClientError
from attune.client.operations import Completion, Prompt
from attune.client.results import Best, Judgment, Pair, Preference, Ranking, RewardRow, Run, Scores
from attune.client.transport import (
    TIMEOUT,
    USUAL,
    Call,
    Operation,
    Retry,
    checked,
    default_headers,
    may_retry,
    pieces_of,
    retry_after,
    unreachable,
)
from attune.client.unpacking import about, new_folder, unpack, whole
from attune.client.where import find

T = TypeVar("T")


class Client:
    """Attune's API. Address and token as given, else from ``$ATTUNE_URL`` and ``$ATTUNE_TOKEN``, else from `attune login`.

    Keeps connections open; close it, or use it as a context manager. Safe to share between threads. Every method raises
    ``ApiError`` where the server refuses and ``Unreachable`` where it does not answer, after ``retry``.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        retry: Retry = USUAL,
        timeout: httpx.Timeout | float = TIMEOUT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.where = where = find(url, token)
        self.url = where.url
        self._retry = retry
        self._http = httpx.Client(
            base_url=where.url, headers=default_headers(where.token), timeout=timeout, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    # Rewards

    def score(
        self, project: str, prompt: Prompt, completions: Sequence[Completion], **options: Unpack[told.ScoreOptions]
    ) -> Scores:
        """Rewards of completions. Options: user, model, context, normalize, aggregate, explain."""
        return self.run_operation(operations.score(project, prompt, completions, **options))

    def score_batch(
        self, project: str, items: Sequence[Mapping[str, Any]], **options: Unpack[told.BatchOptions]
    ) -> list[list[RewardRow]]:
        """Rewards of many items ``{"prompt", "completions", "user"}``, or of all of them for each of ``users``."""
        return self.run_operation(operations.score_batch(project, items, **options))

    def rank(
        self, project: str, prompt: Prompt, completions: Sequence[Completion], **options: Unpack[told.RankOptions]
    ) -> Ranking:
        """Completions, best first. Options: user or population, context, model, normalize, aggregate, top_n, explain."""
        return self.run_operation(operations.rank(project, prompt, completions, **options))

    def best_of_n(
        self, project: str, items: Sequence[Mapping[str, Any]], **options: Unpack[told.BestOptions]
    ) -> list[Best]:
        """The best completion of each item. Options: user or population, model, aggregate."""
        return self.run_operation(operations.best_of_n(project, items, **options))

    def score_population(
        self,
        project: str,
        prompt: Prompt,
        completions: Sequence[Completion],
        population: told.Population | None = None,
        **options: Unpack[told.PopulationOptions],
    ) -> dict[str, Any]:
        """A population's rewards, as the server gives them. Options: model, normalize."""
        return self.run_operation(
            operations.score_population(project, prompt, completions, population=population, **options)
        )

    def compare(
        self, project: str, pairs: Sequence[Mapping[str, Any]], **options: Unpack[told.CompareOptions]
    ) -> list[Preference]:
        """P(a ≻ b) of pairs ``{"prompt", "response_a", "response_b"}``. Options: user or population, context, model."""
        return self.run_operation(operations.compare(project, pairs, **options))

    # Collecting

    def token(self) -> dict[str, Any]:
        """What the token in use is and may do."""
        return self.run_operation(operations.token())

    def projects(self) -> Iterator[dict[str, Any]]:
        """The caller's projects."""
        return self._rows(operations.pages("projects"))

    def project(self, slug: str) -> dict[str, Any]:
        """One project."""
        return self.run_operation(operations.project(slug))

    def annotators(self, project: str) -> Iterator[dict[str, Any]]:
        """Who judges in a project."""
        return self._rows(operations.pages(operations.listing(project, "annotators")))

    def next_pair(self, project: str, *, annotator: str | None = None) -> Pair | None:
        """The pair to judge next, lent for a while; None where nothing is left."""
        return self.run_operation(operations.next_pair(project, annotator=annotator))

    def next_task(
        self, project: str, *, annotator: str | None = None, kind: str | None = None
    ) -> dict[str, Any] | None:
        """What to judge next, of any ``kind`` or of one (pair, ranking, rating), as the API gives it; None: nothing."""
        return self.run_operation(operations.next_task(project, annotator=annotator, kind=kind))

    def judge(
        self, project: str, assignment: str, choice: str, *, key: str | None = None, **said: Unpack[told.SaidOptions]
    ) -> Judgment:
        """Say what was preferred: ``a`` (left), ``b``, ``tie``, ``both_bad`` or ``skip``, or ``ranked`` with ``ranking``,
        ``rated`` with ``rating``. Said: strength, rationale, tags, spans, seconds, skip_reason. ``key`` makes a repeated call the same judgment; one is made unless given."""
        return self.run_operation(operations.judge(project, assignment, choice, key=key, **said))

    def withdraw(self, project: str, judgment: int, *, key: str | None = None) -> Judgment:
        """Take a judgment back."""
        return self.run_operation(operations.withdraw(project, judgment, key=key))

    def revise(
        self, project: str, judgment: int, choice: str, *, key: str | None = None, **said: Unpack[told.SaidOptions]
    ) -> Judgment:
        """Say something else of a pair that was judged."""
        return self.run_operation(operations.revise(project, judgment, choice, key=key, **said))

    def judge_many(
        self, project: str, judgments: Sequence[Mapping[str, Any]], *, key: str | None = None
    ) -> list[dict[str, Any]]:
        """Up to 1,000 at once, each ``{"assignment", "choice", …}``; each result has its own ``status``."""
        return self.run_operation(operations.judge_many(project, judgments, key=key))

    def create_project(self, name: str, **options: Unpack[told.ProjectOptions]) -> dict[str, Any]:
        """Start a project. Options: slug, description, template."""
        return self.run_operation(operations.create_project(name, **options))

    def change_project(
        self, project: str, *, etag: str | None = None, **changes: Unpack[told.SetupOptions]
    ) -> dict[str, Any]:
        """Change a project's set-up; nothing is written over that changed since ``etag`` (without: since a moment ago)."""
        etag = etag or self.run_operation(operations.etag(project))
        return self.run_operation(operations.change_project(project, changes, etag=etag))

    def add_prompt(self, project: str, prompt: Prompt, **options: Unpack[told.PromptOptions]) -> dict[str, Any]:
        """Add a prompt. Options: responses, ref, topic, about, pairs."""
        return self.run_operation(operations.add_prompt(project, prompt, **options))

    def add_responses(
        self, project: str, ref: str, responses: Sequence[Mapping[str, Any]], **options: Unpack[told.ResponseOptions]
    ) -> dict[str, Any]:
        """Add responses ``{"text", "ref", "source"}`` to a prompt. Options: pairs."""
        return self.run_operation(operations.add_responses(project, ref, responses, **options))

    def add_pair(
        self, project: str, prompt: str, response_a: str, response_b: str, **options: Unpack[told.PairOptions]
    ) -> dict[str, Any]:
        """Pair two responses by their refs. Options: gold, the known answer."""
        return self.run_operation(operations.add_pair(project, prompt, response_a, response_b, **options))

    def add_picture(self, project: str, content: bytes) -> dict[str, Any]:
        """Keep a picture; its ``name`` goes beside a response's text as ``picture``."""
        return self.run_operation(operations.add_picture(project, content))

    def set_consequences(self, project: str, consequences: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
        """Say what came of following responses: ``prompt`` and ``response`` by their refs, and ``text``."""
        return self.run_operation(operations.set_consequences(project, consequences))

    def bulk(
        self, project: str, rows: Sequence[Mapping[str, Any]], **options: Unpack[told.BulkOptions]
    ) -> dict[str, Any]:
        """Add prompts with responses, or judgments with their texts, as in import files. Options: pairs, dry_run."""
        return self.run_operation(operations.bulk(project, rows, **options))

    def import_file(
        self,
        project: str,
        path: str | Path,
        *,
        dry_run: bool = False,
        skip_bad: bool = False,
        in_parts: bool = False,
        columns: Sequence[str] = (),
        who: str | None = None,
        every: float = 1.0,
        watch: Callable[[dict[str, Any]], None] | None = None,
    ) -> dict[str, Any]:
        """Upload a file and wait until it is read in. ``columns`` are ``theirs=ours``; ``who`` judged where rows don't say.
        ``in_parts`` writes part by part, so that what is cut short goes on where it was. The import as the server describes it; ``state`` is done, failed, or
        waiting where it was not confirmed: a dry run, or a wrong row without ``skip_bad``."""
        upload = operations.upload(
            project,
            Path(path),
            confirm=not dry_run,
            skip_bad=skip_bad,
            in_parts=in_parts,
            columns=columns,
            who=who,
        )
        found = self.run_operation(upload)
        while found["confirmed"] and found["state"] in ("waiting", "running"):
            if watch:
                watch(found)
            time.sleep(every)
            found = self.run_operation(operations.import_state(project, found["id"]))
        return found

    def judgments(self, project: str, *, annotator: str | None = None) -> Iterator[dict[str, Any]]:
        """Judgments that stand, oldest first, a page at a time."""
        return self._rows(operations.pages(operations.listing(project, "judgments"), annotator=annotator, limit=1000))

    # Runs

    def start_run(self, project: str, **options: Unpack[told.RunOptions]) -> Run:
        """Have a worker fit a model. Options: model, options, seed, promote."""
        return self.run_operation(operations.start_run(project, **options))

    def run(self, project: str, number: int) -> Run:
        """One run as it is now."""
        return self.run_operation(operations.run(project, number))

    def runs(self, project: str) -> Iterator[dict[str, Any]]:
        """All runs, oldest first."""
        return self._rows(operations.pages(operations.listing(project, "runs")))

    def wait_for_run(
        self,
        project: str,
        number: int,
        *,
        every: float = 1.0,
        timeout: float | None = None,
        watch: Callable[[Run], None] | None = None,
    ) -> Run:
        """Look every so many seconds until the run is over. Raises ``ClientError`` after ``timeout`` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            run = self.run(project, number)
            if watch:
                watch(run)
            if run.over:
                return run
            if deadline is not None and time.monotonic() + every > deadline:
                raise ClientError(f"Run {number} is still {run.state} after {timeout:g} seconds.")
            time.sleep(every)

    def promote(self, project: str, version: str, *, reason: str = "") -> dict[str, Any]:
        """Make a version, such as hybrid@3, the one that answers."""
        return self.run_operation(operations.promote(project, version, reason=reason))

    # Files

    def export(self, project: str, **asked: Unpack[told.FileOptions]) -> Iterator[dict[str, Any]]:
        """Rows of an export (``format``) or a dataset (``form``), one by one as they arrive. Options are those of the route."""
        asked["type"] = "jsonl"
        with self.stream(operations.export(project, **asked)) as response:
            for line in _lines(response.iter_bytes()):
                yield orjson.loads(line)

    def download(self, project: str, path: str | Path, **asked: Unpack[told.FileOptions]) -> int:
        """An export or a dataset as a file, which appears under its name once it is whole. Returns its size in bytes."""
        return self._download(operations.export(project, **asked), Path(path))

    def take_away(
        self,
        project: str,
        folder: str | Path,
        *,
        user: str | None = None,
        prototype: int | None = None,
        model: str | None = None,
        student: str | None = None,
    ) -> dict[str, Any]:
        """A reward model as a new folder that ``AutoModelForSequenceClassification`` loads: an annotator's, a prototype's, or
        everybody's. ``student`` names the language model for those that can't be had exactly. Gives what its card says."""
        call = operations.classifier(project, user=user, prototype=prototype, model=model, student=student)
        target = Path(folder)
        with new_folder(target) as packed:
            self._download(call, packed)
            unpack(packed, target)
        return about(target)

    def _download(self, call: Call, target: Path) -> int:
        with whole(target) as file, self.stream(call) as response:
            for piece in response.iter_bytes():
                file.write(piece)
        return target.stat().st_size

    def export_call(self, project: str, **asked: Unpack[told.FileOptions]) -> Call:
        """The request behind ``export``, for ``stream``."""
        return operations.export(project, **asked)

    # The ways of asking

    def run_operation(self, operation: Operation[T]) -> T:
        """Send, try again where that may help, and read the answer."""
        return operation.read(checked(self._send(operation.call)))

    @contextmanager
    def stream(self, call: Call) -> Iterator[httpx.Response]:
        """A response whose body is read as it arrives. Only its beginning is tried again."""
        response = self._send(call, stream=True)
        try:
            if not response.is_success:
                response.read()
            yield checked(response)
        except httpx.HTTPError as error:
            raise unreachable(self.url, error) from error
        finally:
            response.close()

    def _rows(self, first: Operation[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        page = self.run_operation(first)
        yield from page["results"]
        while page["next"]:
            page = self.run_operation(operations.page(page["next"]))
            yield from page["results"]

    def _send(self, call: Call, *, stream: bool = False) -> httpx.Response:
        spent = 0.0
        for failed in range(1, self._retry.attempts + 1):
            last = failed == self._retry.attempts
            response: httpx.Response | None = None
            try:
                response = self._http.send(self._request(call), stream=stream)
                if last or not (response.is_error and _again(response)):
                    return response
            except httpx.TransportError as error:
                if last:
                    raise unreachable(self.url, error) from error
            wait = self._retry.wait(failed, retry_after(response) if response is not None else None)
            if response is not None:
                if spent + wait > self._retry.patience:
                    return response
                response.close()
            spent += wait
            time.sleep(wait)
        raise AssertionError("unreachable: the last try returns or raises")

    def _request(self, call: Call) -> httpx.Request:
        return self._http.build_request(
            call.method,
            call.url,
            json=call.json,
            params=call.params or None,
            headers=call.headers,
            content=pieces_of(call.content) if isinstance(call.content, Path) else call.content,
        )


def _again(response: httpx.Response) -> bool:
    response.read()
    return may_retry(response)


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
    if rest:
        yield rest
