"""Rewards of one project for one person, and as the callables that TRL and verl ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Self, Unpack

from attune.client.aio import AsyncClient
from attune.client.errors import ClientError
from attune.client.operations import Completion, Prompt
from attune.client.options import Aggregate, AsyncConnection, Connection, Normalize, ScaleOptions
from attune.client.results import Ranking, RewardRow, Scores
from attune.client.sync import Client

ITEMS_AT_ONCE = 256
"""Prompts of a training batch in one request."""

TrlReward = Callable[..., list[float | None]]
AsyncTrlReward = Callable[..., Awaitable[list[float | None]]]
VerlReward = Callable[..., Awaitable[dict[str, float]]]


class RewardClient:
    """``Client`` bound to a project and, unless each call names another, to a user and a model version.

    Without ``user`` the rewards are everybody's.
    """

    def __init__(
        self,
        project: str,
        *,
        user: str | None = None,
        model: str | None = None,
        normalize: Normalize | None = None,
        aggregate: Aggregate | None = None,
        client: Client | None = None,
        **connection: Unpack[Connection],
    ) -> None:
        self.project, self.user = project, user
        self._scale: ScaleOptions = {"model": model, "normalize": normalize, "aggregate": aggregate}
        self.client = client or Client(**connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.client.close()

    def score(self, prompt: Prompt, completions: Sequence[Completion], *, user: str | None = None) -> Scores:
        """Rewards of completions, in their order."""
        return self.client.score(self.project, prompt, completions, user=user or self.user, **self._scale)

    def rerank(
        self, query: Prompt, documents: Sequence[Completion], *, top_n: int | None = None, user: str | None = None
    ) -> Ranking:
        """Documents in the order in which the person would like them, best first."""
        return self.client.rank(self.project, query, documents, user=user or self.user, top_n=top_n, **self._scale)

    def score_rows(self, rows: Sequence[tuple[Prompt, str, str | None]]) -> list[RewardRow]:
        """One reward for each (prompt, completion, user), in their order; few requests, however many rows."""
        scored: list[RewardRow] = []
        for start in range(0, len(rows), ITEMS_AT_ONCE):
            items = [_item(*row, self.user) for row in rows[start : start + ITEMS_AT_ONCE]]
            scored += [each[0] for each in self.client.score_batch(self.project, items, **self._scale)]
        return scored

    def as_trl(self, *, user_column: str | None = None, empty: float | None = None, name: str = "attune") -> TrlReward:
        """A reward function for TRL's trainers (``reward_funcs``), called with prompts and completions, plain or as messages.

        ``user_column`` is a column of the dataset that names each row's user. A completion without any text can't be scored;
        it gets ``empty``, which as None leaves the row to the other reward functions. An error stops the training rather
        than teach it something false.
        """

        def reward(prompts: list[Any], completions: list[Any], **columns: Any) -> list[float | None]:
            kept, rows = _trl_rows(prompts, completions, columns[user_column] if user_column else None)
            return _spread(self.score_rows(rows), kept, len(prompts), empty)

        reward.__name__ = name  # TRL logs rewards under it
        return reward

    def as_verl(self, *, user_key: str = "user", prompt_key: str = "prompt", name: str = "attune") -> VerlReward:
        """An asynchronous reward function for verl (``custom_reward_function``): score and its deviation.

        Prompt and user of a row are taken from ``extra_info``; without a user there, this client's. Its ``aclose`` lets the
        connections go.
        """
        where = self.client.where
        remote = AsyncRewardClient(self.project, user=self.user, url=where.url, token=where.token, **self._scale)
        return remote.as_verl(user_key=user_key, prompt_key=prompt_key, name=name)


class AsyncRewardClient:
    """As ``RewardClient``, for asynchronous code."""

    def __init__(
        self,
        project: str,
        *,
        user: str | None = None,
        model: str | None = None,
        normalize: Normalize | None = None,
        aggregate: Aggregate | None = None,
        client: AsyncClient | None = None,
        **connection: Unpack[AsyncConnection],
    ) -> None:
        self.project, self.user = project, user
        self._scale: ScaleOptions = {"model": model, "normalize": normalize, "aggregate": aggregate}
        self.client = client or AsyncClient(**connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self.client.aclose()

    async def score(self, prompt: Prompt, completions: Sequence[Completion], *, user: str | None = None) -> Scores:
        """See ``RewardClient.score``."""
        return await self.client.score(self.project, prompt, completions, user=user or self.user, **self._scale)

    async def rerank(
        self, query: Prompt, documents: Sequence[Completion], *, top_n: int | None = None, user: str | None = None
    ) -> Ranking:
        """See ``RewardClient.rerank``."""
        return await self.client.rank(
            self.project, query, documents, user=user or self.user, top_n=top_n, **self._scale
        )

    async def score_rows(self, rows: Sequence[tuple[Prompt, str, str | None]]) -> list[RewardRow]:
        """See ``RewardClient.score_rows``."""
        scored: list[RewardRow] = []
        for start in range(0, len(rows), ITEMS_AT_ONCE):
            items = [_item(*row, self.user) for row in rows[start : start + ITEMS_AT_ONCE]]
            scored += [each[0] for each in await self.client.score_batch(self.project, items, **self._scale)]
        return scored

    def as_trl(
        self, *, user_column: str | None = None, empty: float | None = None, name: str = "attune"
    ) -> AsyncTrlReward:
        """As ``RewardClient.as_trl``, for TRL's trainers that wait for several reward functions at once."""

        async def reward(prompts: list[Any], completions: list[Any], **columns: Any) -> list[float | None]:
            kept, rows = _trl_rows(prompts, completions, columns[user_column] if user_column else None)
            return _spread(await self.score_rows(rows), kept, len(prompts), empty)

        reward.__name__ = name
        return reward

    def as_verl(self, *, user_key: str = "user", prompt_key: str = "prompt", name: str = "attune") -> VerlReward:
        """See ``RewardClient.as_verl``."""

        async def compute_score(
            data_source: str,  # noqa: ARG001 (verl's signature)
            solution_str: str,
            ground_truth: Any = None,  # noqa: ARG001
            extra_info: Mapping[str, Any] | None = None,
            **_: Any,
        ) -> dict[str, float]:
            extra = extra_info or {}
            if prompt_key not in extra:
                raise ClientError(
                    f"extra_info has no {prompt_key!r}; it has {', '.join(map(str, extra)) or 'nothing'}."
                )
            found = await self.score(extra[prompt_key], [solution_str], user=extra.get(user_key))
            return {"score": found.scores[0], "std": found.stds[0]}

        compute_score.__name__ = name
        compute_score.aclose = self.aclose  # type: ignore[attr-defined]
        return compute_score


def _trl_rows(
    prompts: Sequence[Any], completions: Sequence[Any], users: Sequence[str | None] | None
) -> tuple[list[int], list[tuple[Prompt, str, str | None]]]:
    """Which completions say anything, and these with their prompts and users."""
    texts = [completion_text(each) for each in completions]
    kept = [n for n, text in enumerate(texts) if text.strip()]
    return kept, [(prompts[n], texts[n], users[n] if users else None) for n in kept]


def _spread(rows: Sequence[RewardRow], kept: Sequence[int], count: int, empty: float | None) -> list[float | None]:
    rewards = [empty] * count
    for n, row in zip(kept, rows, strict=True):
        rewards[n] = row.scores[0]
    return rewards


def completion_text(completion: Any) -> str:
    """A completion as TRL hands it over: a text, or messages of which the last is the answer."""
    if isinstance(completion, str):
        return completion
    if isinstance(completion, Sequence) and completion and isinstance(completion[-1], Mapping):
        return str(completion[-1].get("content") or "")
    raise ClientError(f"A completion is {completion!r:.80}; expected a text or messages.")


def _item(prompt: Prompt, completion: str, user: str | None, default: str | None) -> dict[str, Any]:
    return {"prompt": prompt, "completions": [completion], "user": user or default}
