"""TRL's DPOTrainer on what our trainer is timed on; for `bench.policies`."""

from __future__ import annotations

import tempfile
import time

from attune.data import Snapshot
from attune.policies.base import load_base
from attune.policies.settings import PolicySettings


def trl_seconds(snapshot: Snapshot, settings: PolicySettings) -> float:
    """TRL's trainer from rows to the last step, as ours is timed."""
    import trl
    from datasets import Dataset
    from peft import LoraConfig

    began = time.monotonic()
    base = load_base("tiny")
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
        precompute_ref_log_probs=True,
        bf16=False,
        gradient_checkpointing=False,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = trl.DPOTrainer(
        model=base.model,
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=base.tokenizer,
        peft_config=LoraConfig(
            r=settings.rank, lora_alpha=2 * settings.rank, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )
    trainer.train()
    return time.monotonic() - began
