"""A reward model of its own on the same judgments as a policy, so that the policy's implicit reward has something beside it.

An implicit reward can rank what it learnt from well and still carry less far than an explicit one (Lin et al. 2024, *On the
limited generalization capability of the implicit reward model induced by direct preference optimization*).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from attune import data, rewards
from attune.encoders import encode_cached
from attune.errors import BadData
from attune.policies.examples import examples_of, prompts_aside
from training.models import PolicyRun
from training.vectors import PostgresVectorStore

DECIDED = ("a", "b")


def explicit_accuracy(run: PolicyRun, snapshot: data.Snapshot, members: Collection[str] | None) -> dict[str, float]:
    """Share of pairs that a pooled Bradley–Terry model ranks right: of those it learnt from (``explicit_learnt``) and of
    those on prompts that the policy's run kept aside (``explicit_held_out``). Empty where there is too little to tell.
    """
    examples = examples_of(
        snapshot,
        method=run.settings["method"],
        held_out=run.settings["held_out"],
        seed=run.settings["seed"],
        annotators=members,
    )
    aside = prompts_aside(snapshot, examples, run.settings["held_out"], run.settings["seed"])

    def kept_aside(judgment: data.Judgment) -> bool:
        return snapshot.responses[judgment.a].prompt in aside

    mine = [
        each for each in snapshot.judgments if each.choice in DECIDED and (members is None or each.annotator in members)
    ]
    held_out = [each for each in mine if kept_aside(each)]
    learnt = [each for each in mine if not kept_aside(each)]
    if not held_out or not learnt:
        return {}
    known = {key: snapshot.responses[key] for each in mine for key in (each.a, each.b)}
    texts = {key: (each.prompt, each.text) for key, each in known.items()}
    features = encode_cached(run.project.encoder, texts, PostgresVectorStore())
    seen = {key: known[key] for each in learnt for key in (each.a, each.b)}
    model = rewards.create("bradley_terry")
    try:
        model.fit(
            replace(snapshot, responses=seen, judgments=tuple(learnt)),
            {key: features[key] for key in seen},
            encoder=run.project.encoder,
            seed=run.settings["seed"],
        )
    except (
        BadData
    ):  # all prefer one response, say: the policy has learnt what it could, and there is nothing to compare
        return {}

    def share(judgments: Sequence[data.Judgment]) -> float:
        a, b = (model.items([getattr(each, side) for each in judgments], features) for side in "ab")
        margin, _variance = model.margin(model.prior(), a, b)
        signed = np.where([each.choice == "a" for each in judgments], margin, -margin)
        return float(np.mean((signed > 0) + 0.5 * (signed == 0)))

    return {"explicit_held_out": share(held_out), "explicit_learnt": share(learnt)}
