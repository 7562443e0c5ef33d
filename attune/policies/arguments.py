"""What transformers' trainer is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from attune.policies.settings import PolicySettings


def arguments(settings: PolicySettings, work: Path, rows: int, *, evaluates: bool) -> TrainingArguments:
    """Of a run on so many ``rows``, with checkpoints in ``work``; bfloat16 on a GPU."""
    gpu = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(work),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch,
        gradient_accumulation_steps=settings.accumulate,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=min(10, max(1, settings.epochs * rows // (10 * settings.batch))),
        seed=settings.seed,
        data_seed=settings.seed,
        save_strategy="steps",
        save_steps=settings.checkpoint_every,
        save_total_limit=2,
        eval_strategy="epoch" if evaluates else "no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=[],
        dataloader_pin_memory=gpu,
        bf16=gpu,
        use_cpu=not gpu,
        **_recomputing(settings.recompute),
        ddp_find_unused_parameters=False,
        ddp_broadcast_buffers=False,  # they never change, and processes may have different numbers of forward passes
    )


def _recomputing(asked: bool) -> dict[str, Any]:
    """The argument by the name that the installed transformers knows."""
    names = ("activation_checkpointing", "gradient_checkpointing")
    return {next(name for name in names if name in TrainingArguments.__dataclass_fields__): True} if asked else {}
