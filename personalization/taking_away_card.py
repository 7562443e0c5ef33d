"""The card of a reward model that was taken away: whose it is, how exact, and how it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attune.causal import MAX_TOKENS

_HEAD = """---
library_name: transformers
pipeline_tag: text-classification
tags: [reward-model, attune, trl]
---

# {title}

A reward model for one score: `num_labels=1`, safetensors, no remote code. Made by Attune {attune}.

| | |
|---|---|
| rewards of | {whose} |
| judgments that went in | {n_judgments} |
| project, version | `{project}`, `{version}` (artifact `{artifact}`) |
| language model below the head | `{base}` |

## How exact it is

{exactness}

Texts of more than {most:,} tokens are cut at their beginning. A score is comparable within one prompt only, like every
reward of Attune; it comes without its uncertainty, and it does not move with later judgments, as the API's do.

## Use

```python
from transformers import AutoModelForSequenceClassification, AutoTokenizer

model = AutoModelForSequenceClassification.from_pretrained("this-folder")
tokenizer = AutoTokenizer.from_pretrained("this-folder")
chat = [{{"role": "user", "content": "…"}}, {{"role": "assistant", "content": "…"}}]
text = tokenizer.apply_chat_template(chat, tokenize=False)
reward = model(**tokenizer(text, add_special_tokens=False, truncation=True, return_tensors="pt")).logits[0, 0]
```

TRL takes the folder as it is: `GRPOTrainer(reward_funcs="this-folder", …)` on conversations, or as the model of
`RewardTrainer`. Conversations of several turns reach Attune as one text with roles named; give them here in the same way,
as one user message.
"""
_EXACT = """Exact: the head is this person's weights, folded into one vector. For a text that the model has no item of its own for, the
score is the API's (to 0.001, in float32). For responses that people have judged the API adds what it learnt of each
response by itself, which no text carries{measured}."""
_MEASURED = """; on {pairs:,} pairs of such responses this model and the API agree about the order of
{same_order:.1%}, and their rewards correlate {correlation:.2f} within prompts"""
_STUDENT = """**An approximation.** The original can't be carried by this architecture; this is a student: a linear head on the language
model, fitted to the API's rewards of the project's responses. On {prompts:,} prompts that it was not fitted on, it gives
{pairs:,} pairs the same order in {same_order:.1%} of cases; within prompts its rewards correlate {correlation:.2f} with
the API's and differ from them by {difference:.3f} (root mean square). Use the API where that is not enough."""
_SIMULATED = "\n\nThe annotator is a program (simulated), not a person."


def card_of(about: Mapping[str, Any]) -> str:
    """Markdown, from what ``attune.json`` says."""
    whose = f"`{about['whose']}`" if about["whose"] else "everybody (somebody of whom nothing is known)"
    if about["exact"]:
        known = about["agreement_on_known_responses"]
        exactness = _EXACT.format(measured=_MEASURED.format(**known) if known and "correlation" in known else "")
    else:
        exactness = _STUDENT.format(**{"correlation": float("nan")} | about["agreement_on_held_out_prompts"])
    if about["simulated"]:
        exactness += _SIMULATED
    title = f"Reward of {about['whose'] or 'everybody'} in {about['project']}"
    return _HEAD.format(**{**about, "whose": whose}, title=title, exactness=exactness, most=MAX_TOKENS)
