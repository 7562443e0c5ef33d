"""Looking at what a policy says while it learns: the same prompts with the same seed before, during and after."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from attune.policies.generate import Sample, generate, prompt_tokens, response_log_probs
from attune.policies.prompts import Message

LONGEST = 256


class Looker:
    """Samples a few prompts. A call gives KL from the base model and mean length of what the policy says now.

    The KL estimate is the mean over responses of log π(y) − log π_base(y), y from the policy; without an adapter to switch off
    it is not measured.
    """

    def __init__(self, model: Any, tokenizer: Any, prompts: Sequence[Sequence[Message]], seed: int) -> None:
        self.model, self.tokenizer, self.prompts, self.seed = model, tokenizer, list(prompts), seed
        self.first: list[Sample] = []
        self.last: list[Sample] = []

    def before(self) -> dict[str, float]:
        """What the policy says before its first step."""
        self.first = self._say() if self.prompts else []
        return self._figures(self.first)

    def __call__(self) -> dict[str, float]:
        self.last = self._say() if self.prompts else []
        return self._figures(self.last)

    def _figures(self, said: Sequence[Sample]) -> dict[str, float]:
        if not said:
            return {}
        figures = {"length": fmean(len(each.text.split()) for each in said)}
        if hasattr(self.model, "disable_adapter"):
            prompts = [prompt_tokens(self.tokenizer, each) for each in self.prompts]
            policy = response_log_probs(self.model, self.tokenizer, prompts, said)
            with self.model.disable_adapter():
                base = response_log_probs(self.model, self.tokenizer, prompts, said)
            figures["kl"] = (policy - base).mean().item()
        return figures

    def lengths(self) -> dict[str, float]:
        """Mean words before the first step."""
        return {"length_before": fmean(len(each.text.split()) for each in self.first)} if self.first else {}

    def shown(self) -> list[dict[str, str]]:
        """Prompt, before and after, for people."""
        return [
            {"prompt": prompt[-1]["content"], "before": first.text, "after": last.text}
            for prompt, first, last in zip(self.prompts, self.first, self.last, strict=True)
        ]

    def _say(self) -> list[Sample]:
        said = generate(self.model, self.tokenizer, self.prompts, max_new_tokens=LONGEST, seed=self.seed)
        return [each[0] for each in said]
