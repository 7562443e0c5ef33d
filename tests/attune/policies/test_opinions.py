"""Rewards of models that were not asked, beside the same sums worked out one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from attune.errors import BadData, Cancelled
from attune.policies.base import load_base
from attune.policies.generate import prompt_tokens
from attune.policies.opinions import DISPLEASED, PLEASED, Said, opinions
from attune.policies.speaking import Voice

ASKED = [{"role": "user", "content": "What now?"}]
SAID = {"short": Said(ASKED, "Go."), "long": Said(ASKED, "One could perhaps wait and see.")}


def rated(method: Any, voices: list[Voice], said: dict[str, Said] = SAID) -> dict[str, Any]:
    lines: list[dict[str, Any]] = []
    opinions(method, voices, said, tell=lambda line: lines.append(dict(line)))
    assert [line["step"] for line in lines] == list(range(1, len(voices) * len(said) + 1))
    return {line["response"]: line.get("reward", line.get("error")) for line in lines if len(line) > 3}


def log_prob(model: Any, before: list[int], after: list[int]) -> float:
    with torch.no_grad():
        logits = model(torch.tensor([before + after])).logits[0].log_softmax(-1)
    return sum(float(logits[len(before) + place - 1, token]) for place, token in enumerate(after))


def test_followups_are_means_over_tokens_and_texts(micro: Path) -> None:
    base = load_base(str(micro))
    base.model.eval()

    def mean(texts: tuple[str, ...]) -> float:
        values = []
        for text in texts:
            talk = [*ASKED, {"role": "assistant", "content": "Go."}, {"role": "user", "content": text}]
            whole = base.tokenizer.apply_chat_template(talk, tokenize=False)
            ids = base.tokenizer(text, add_special_tokens=False)["input_ids"]
            before = base.tokenizer(whole[: whole.rindex(text)], add_special_tokens=False)["input_ids"]
            values.append(log_prob(base.model, before, ids) / len(ids))
        return sum(values) / len(values)

    found = rated("followup", [Voice("m", str(micro))])
    assert found["short"] == pytest.approx(mean(PLEASED) - mean(DISPLEASED), abs=1e-4)


def test_a_density_ratio_is_the_difference_of_two_sums(micro: Path, tmp_path: Path) -> None:
    other = load_base(str(micro))
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in other.model.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    other.model.save_pretrained(tmp_path)
    other.tokenizer.save_pretrained(tmp_path)
    other.model.eval()
    base = load_base(str(micro))
    base.model.eval()
    before = prompt_tokens(base.tokenizer, ASKED)
    after = [*base.tokenizer("Go.", add_special_tokens=False)["input_ids"], base.tokenizer.eos_token_id]
    expected = log_prob(other.model, before, after) - log_prob(base.model, before, after)
    found = rated("density", [Voice("m", str(tmp_path)), Voice("r", str(micro))])
    assert found["short"] == pytest.approx(expected, abs=1e-3)
    assert abs(expected) > 1e-3
    turned = rated("density", [Voice("m", str(micro)), Voice("r", str(tmp_path))])
    assert turned["long"] == pytest.approx(-found["long"], abs=1e-4)


def test_what_does_not_fit_says_so_and_keeps_no_other(micro: Path) -> None:
    found = rated("followup", [Voice("m", str(micro))], SAID | {"huge": Said(ASKED, "wait " * 400)})
    assert "takes 256" in found["huge"]
    assert isinstance(found["short"], float)


def test_numbers_of_models_and_a_stop(micro: Path) -> None:
    with pytest.raises(BadData, match="was given 1 models"):
        opinions("density", [Voice("m", str(micro))], SAID, tell=lambda _line: None)
    with pytest.raises(Cancelled):
        opinions("followup", [Voice("m", str(micro))], SAID, tell=lambda _line: None, asked_to_stop=lambda: True)
