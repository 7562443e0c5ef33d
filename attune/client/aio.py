"""The same client for asynchronous code."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
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
    pieces_of_async,
    retry_after,
    unreachable,
)
from attune.client.unpacking import about, new_folder, unpack, whole
from attune.client.where import find

T = TypeVar("T")


class AsyncClient:
    """As ``Client``, method by method. For one event loop; close it with ``aclose``, or use ``async with``."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        retry: Retry = USUAL,
        timeout: httpx.Timeout | float = TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.where = where = find(url, token)
        self.url = where.url
        self._retry = retry
        self._http = httpx.AsyncClient(
            base_url=where.url, headers=default_headers(where.token), timeout=timeout, transport=transport
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let the connections go."""
        await self._http.aclose()

    async def score(
        self, project: str, prompt: Prompt, completions: Sequence[Completion], **options: Unpack[told.ScoreOptions]
    ) -> Scores:
        """See ``Client.score``; so for all that follow."""
        return await self.run_operation(operations.score(project, prompt, completions, **options))

    async def score_batch(
        self, project: str, items: Sequence[Mapping[str, Any]], **options: Unpack[told.BatchOptions]
    ) -> list[list[RewardRow]]:
        return await self.run_operation(operations.score_batch(project, items, **options))

    async def rank(
        self, project: str, prompt: Prompt, completions: Sequence[Completion], **options: Unpack[told.RankOptions]
    ) -> Ranking:
        return await self.run_operation(operations.rank(project, prompt, completions, **options))

    async def best_of_n(
        self, project: str, items: Sequence[Mapping[str, Any]], **options: Unpack[told.BestOptions]
    ) -> list[Best]:
        return await self.run_operation(operations.best_of_n(project, items, **options))

    async def score_population(
        self,
        project: str,
        prompt: Prompt,
        completions: Sequence[Completion],
        population: told.Population | None = None,
        **options: Unpack[told.PopulationOptions],
    ) -> dict[str, Any]:
        return await self.run_operation(
            operations.score_population(project, prompt, completions, population=population, **options)
        )

    async def compare(
        self, project: str, pairs: Sequence[Mapping[str, Any]], **options: Unpack[told.CompareOptions]
    ) -> list[Preference]:
        return await self.run_operation(operations.compare(project, pairs, **options))

    async def token(self) -> dict[str, Any]:
        return await self.run_operation(operations.token())

    def projects(self) -> AsyncIterator[dict[str, Any]]:
        return self._rows(operations.pages("projects"))

    async def project(self, slug: str) -> dict[str, Any]:
        return await self.run_operation(operations.project(slug))

    def annotators(self, project: str) -> AsyncIterator[dict[str, Any]]:
        return self._rows(operations.pages(operations.listing(project, "annotators")))

    async def next_pair(self, project: str, *, annotator: str | None = None) -> Pair | None:
        return await self.run_operation(operations.next_pair(project, annotator=annotator))

    async def next_task(
        self, project: str, *, annotator: str | None = None, kind: str | None = None
    ) -> dict[str, Any] | None:
        """See ``Client.next_task``."""
        return await self.run_operation(operations.next_task(project, annotator=annotator, kind=kind))

    async def judge(
        self, project: str, assignment: str, choice: str, *, key: str | None = None, **said: Unpack[told.SaidOptions]
    ) -> Judgment:
        return await self.run_operation(operations.judge(project, assignment, choice, key=key, **said))

    async def withdraw(self, project: str, judgment: int, *, key: str | None = None) -> Judgment:
        return await self.run_operation(operations.withdraw(project, judgment, key=key))

    async def revise(
        self, project: str, judgment: int, choice: str, *, key: str | None = None, **said: Unpack[told.SaidOptions]
    ) -> Judgment:
        return await self.run_operation(operations.revise(project, judgment, choice, key=key, **said))

    async def judge_many(
        self, project: str, judgments: Sequence[Mapping[str, Any]], *, key: str | None = None
    ) -> list[dict[str, Any]]:
        return await self.run_operation(operations.judge_many(project, judgments, key=key))

    async def create_project(self, name: str, **options: Unpack[told.ProjectOptions]) -> dict[str, Any]:
        return await self.run_operation(operations.create_project(name, **options))

    async def change_project(
        self, project: str, *, etag: str | None = None, **changes: Unpack[told.SetupOptions]
    ) -> dict[str, Any]:
        if etag is None:
            etag = await self.run_operation(operations.etag(project))
        return await self.run_operation(operations.change_project(project, changes, etag=etag))

    async def add_prompt(self, project: str, prompt: Prompt, **options: Unpack[told.PromptOptions]) -> dict[str, Any]:
        return await self.run_operation(operations.add_prompt(project, prompt, **options))

    async def add_responses(
        self, project: str, ref: str, responses: Sequence[Mapping[str, Any]], **options: Unpack[told.ResponseOptions]
    ) -> dict[str, Any]:
        return await self.run_operation(operations.add_responses(project, ref, responses, **options))

    async def add_pair(
        self, project: str, prompt: str, response_a: str, response_b: str, **options: Unpack[told.PairOptions]
    ) -> dict[str, Any]:
        return await self.run_operation(operations.add_pair(project, prompt, response_a, response_b, **options))

    async def add_picture(self, project: str, content: bytes) -> dict[str, Any]:
        """Keep a picture; its ``name`` goes beside a response's text as ``picture``."""
        return await self.run_operation(operations.add_picture(project, content))

    async def set_consequences(self, project: str, consequences: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
        """Say what came of following responses: ``prompt`` and ``response`` by their refs, and ``text``."""
        return await self.run_operation(operations.set_consequences(project, consequences))

    async def bulk(
        self, project: str, rows: Sequence[Mapping[str, Any]], **options: Unpack[told.BulkOptions]
    ) -> dict[str, Any]:
        return await self.run_operation(operations.bulk(project, rows, **options))

    async def import_file(
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
        upload = operations.upload(
            project,
            Path(path),
            confirm=not dry_run,
            skip_bad=skip_bad,
            in_parts=in_parts,
            columns=columns,
            who=who,
        )
        found = await self.run_operation(upload)
        while found["confirmed"] and found["state"] in ("waiting", "running"):
            if watch:
                watch(found)
            await asyncio.sleep(every)
            found = await self.run_operation(operations.import_state(project, found["id"]))
        return found

    def judgments(self, project: str, *, annotator: str | None = None) -> AsyncIterator[dict[str, Any]]:
        return self._rows(operations.pages(operations.listing(project, "judgments"), annotator=annotator, limit=1000))

    async def start_run(self, project: str, **options: Unpack[told.RunOptions]) -> Run:
        return await self.run_operation(operations.start_run(project, **options))

    async def run(self, project: str, number: int) -> Run:
        return await self.run_operation(operations.run(project, number))

    def runs(self, project: str) -> AsyncIterator[dict[str, Any]]:
        return self._rows(operations.pages(operations.listing(project, "runs")))

    async def wait_for_run(
        self,
        project: str,
        number: int,
        *,
        every: float = 1.0,
        timeout: float | None = None,
        watch: Callable[[Run], None] | None = None,
    ) -> Run:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            run = await self.run(project, number)
            if watch:
                watch(run)
            if run.over:
                return run
            if deadline is not None and time.monotonic() + every > deadline:
                raise ClientError(f"Run {number} is still {run.state} after {timeout:g} seconds.")
            await asyncio.sleep(every)

    async def promote(self, project: str, version: str, *, reason: str = "") -> dict[str, Any]:
        return await self.run_operation(operations.promote(project, version, reason=reason))

    async def export(self, project: str, **asked: Unpack[told.FileOptions]) -> AsyncIterator[dict[str, Any]]:
        asked["type"] = "jsonl"
        rest = b""
        async with self.stream(operations.export(project, **asked)) as response:
            async for piece in response.aiter_bytes():
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    yield orjson.loads(line)
        if rest:
            yield orjson.loads(rest)

    async def download(self, project: str, path: str | Path, **asked: Unpack[told.FileOptions]) -> int:
        return await self._download(operations.export(project, **asked), Path(path))

    async def take_away(
        self,
        project: str,
        folder: str | Path,
        *,
        user: str | None = None,
        prototype: int | None = None,
        model: str | None = None,
        student: str | None = None,
    ) -> dict[str, Any]:
        call = operations.classifier(project, user=user, prototype=prototype, model=model, student=student)
        target = Path(folder)
        with new_folder(target) as packed:
            await self._download(call, packed)
            await asyncio.to_thread(unpack, packed, target)
        return about(target)

    async def _download(self, call: Call, target: Path) -> int:
        with whole(target) as file:
            async with self.stream(call) as response:
                async for piece in response.aiter_bytes():
                    await asyncio.to_thread(file.write, piece)
        return target.stat().st_size

    def export_call(self, project: str, **asked: Unpack[told.FileOptions]) -> Call:
        return operations.export(project, **asked)

    async def run_operation(self, operation: Operation[T]) -> T:
        """Send, try again where that may help, and read the answer."""
        return operation.read(checked(await self._send(operation.call)))

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[httpx.Response]:
        """A response whose body is read as it arrives. Only its beginning is tried again."""
        response = await self._send(call, stream=True)
        try:
            if not response.is_success:
                await response.aread()
            yield checked(response)
        except httpx.HTTPError as error:
            raise unreachable(self.url, error) from error
        finally:
            await response.aclose()

    async def _rows(self, first: Operation[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
        page = await self.run_operation(first)
        for row in page["results"]:
            yield row
        while page["next"]:
            page = await self.run_operation(operations.page(page["next"]))
            for row in page["results"]:
                yield row

    async def _send(self, call: Call, *, stream: bool = False) -> httpx.Response:
        spent = 0.0
        for failed in range(1, self._retry.attempts + 1):
            last = failed == self._retry.attempts
            response: httpx.Response | None = None
            try:
                response = await self._http.send(self._request(call), stream=stream)
                if last or not (response.is_error and await _again(response)):
                    return response
            except httpx.TransportError as error:
                if last:
                    raise unreachable(self.url, error) from error
            wait = self._retry.wait(failed, retry_after(response) if response is not None else None)
            if response is not None:
                if spent + wait > self._retry.patience:
                    return response
                await response.aclose()
            spent += wait
            await asyncio.sleep(wait)
        raise AssertionError("unreachable: the last try returns or raises")

    def _request(self, call: Call) -> httpx.Request:
        return self._http.build_request(
            call.method,
            call.url,
            json=call.json,
            params=call.params or None,
            headers=call.headers,
            content=pieces_of_async(call.content) if isinstance(call.content, Path) else call.content,
        )


async def _again(response: httpx.Response) -> bool:
    await response.aread()
    return may_retry(response)
