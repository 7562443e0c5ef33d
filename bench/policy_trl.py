"""TRL's DPOTrainer on what our trainer is timed on; for `bench.policies` and `bench.policy_gpu`."""

from __future__ import annotations

import tempfile
import time
from typing import Any

from attune.data import Snapshot
from attune.policies.base import Base, load_base
from attune.policies.settings import PolicySettings


def trl_seconds(snapshot: Snapshot, settings: PolicySettings) -> float:
    """TRL's trainer from rows to the last step, as ours is timed, on a CPU."""
    began = time.monotonic()
    options = {"bf16": False, "use_cpu": True, "precompute_ref_log_probs": True}
    trl_trainer(load_base("tiny"), snapshot, settings, **options).train()
    return time.monotonic() - began


def trl_trainer(base: Base, snapshot: Snapshot, settings: PolicySettings, **options: Any) -> Any:
    """A DPOTrainer with the same adapter, batch, rate and β; ``options`` are of its DPOConfig."""
    import trl
    from datasets import Dataset
    from peft import LoraConfig

    rows = []
    for each in snapshot.judgments:
        chosen, rejected = (each.a, each.b) if each.choice == "a" else (each.b, each.a)
        texts = {"chosen": snapshot.responses[chosen].text, "rejected": snapshot.responses[rejected].text}
        row = {name: [{"role": "assistant", "content": text}] for name, text in texts.items()}
        rows.append({"prompt": [{"role": "user", "content": snapshot.responses[chosen].prompt}], **row})
    config = trl.DPOConfig(
        output_dir=tempfile.mkdtemp(prefix="bench-trl-"),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch,
        learning_rate=settings.learning_rate,
        beta=settings.options["beta"],
        max_length=settings.max_length,
        gradient_checkpointing=settings.recompute,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        **options,
    )
    return trl.DPOTrainer(
        model=base.model,
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=base.tokenizer,
        peft_config=LoraConfig(
            r=settings.rank, lora_alpha=2 * settings.rank, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )
