"""`transformers.Trainer` with a preference loss in place of the language model's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from accelerate import DistributedType
from torch import Tensor
from torch.utils.data import RandomSampler, Sampler, SequentialSampler
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from attune.policies import maxmin
from attune.policies.batches import Row, collate, log_probs, pairs_of
from attune.policies.errors import PolicyError
from attune.policies.losses import Method, Options, Pairs, rationale_nll, rationale_published
from attune.policies.low_rank import quicken
from attune.policies.settings import PolicySettings
from attune.policies.trees import takes_trees, trees_pay

COMPLETE = "complete"
"""A file that is written into a checkpoint last: without it the checkpoint is half of one."""
STATE_FILE = "attune.json"
ENTANGLED_ROWS = 8

WHOLE_WEIGHTS = (DistributedType.NO, DistributedType.MULTI_GPU, DistributedType.MULTI_CPU)
"""Where a process has every weight, the head's too."""

Figures = dict[str, float]


class PreferenceTrainer(Trainer):
    """Trains on ``Row``s. Figures of the last step are in ``figures``; ``shares`` are how the rows are spread over MaxMin's groups."""

    def __init__(
        self,
        *,
        settings: PolicySettings,
        method: Method,
        options: Options,
        shares: Tensor,
        tokenizer: Any,
        **rest: Any,
    ) -> None:
        self.settings, self.method, self.options = settings, method, options
        self.shares, self.group_weights = shares, maxmin.first_weights(shares)
        self.figures: Figures = {}
        self.learnt_sample: Sequence[Row] = ()
        self.as_trees = False
        super().__init__(
            data_collator=lambda rows: collate(rows, tokenizer.pad_token_id, as_trees=self.as_trees), **rest
        )
        whole = self.accelerator.distributed_type in WHOLE_WEIGHTS
        if whole:
            quicken(self.model)
        self.as_trees = whole and takes_trees(self.model) and trees_pay(self.model, self.args.device)
        self.model_accepts_loss_kwargs = False  # our loss is a mean over pairs; accumulation must divide it

    def compute_loss(
        self,
        model: Any,
        inputs: Mapping[str, Tensor],
        return_outputs: bool = False,  # noqa: ARG002 (the base class asks for it)
        num_items_in_batch: Any = None,  # noqa: ARG002
    ) -> Tensor:
        """The mean over pairs, weighted by group, and the rationales' share."""
        pairs = pairs_of(inputs, log_probs(model, inputs))
        each = self.method.loss(pairs, self.options)  # (B,)
        loss = (each * inputs["weight"] * self._weights(inputs, each)).mean()
        figures = step_figures(pairs, each, self.options.beta)
        if "reason_weights" in inputs:
            figures["rationale"] = reason = self._reasons(model, inputs)
            loss = loss + self.settings.rationale_weight * reason
        if "reader_weights" in inputs:
            reader = rationale_nll(log_probs(model, inputs, "reader_"), inputs["reader_lengths"]).mean()
            figures["reader"] = reader
            loss = loss + self.settings.describe_weight * reader
        self._note(figures)
        return loss

    def _note(self, figures: Mapping[str, Tensor]) -> None:
        """Keep a step's figures. They are read from the device all at once, since each reading waits for all that it has to do."""
        values = torch.stack([each.detach().float() for each in figures.values()]).tolist()
        self.figures = dict(zip(figures, values, strict=True))
        if not isfinite(self.figures["loss"]):
            raise PolicyError(
                f"The training diverged after step {self.state.global_step}: the loss is not finite. Choose a smaller"
                " learning_rate or another beta."
            )

    def _reasons(self, model: Any, inputs: Mapping[str, Tensor]) -> Tensor:
        summed = log_probs(model, inputs, "reason_")
        if self.settings.rationales == "published":
            return rationale_published(summed, self.settings.rationale_weight).mean()
        return rationale_nll(summed, inputs["reason_lengths"]).mean()

    def _weights(self, inputs: Mapping[str, Tensor], each: Tensor) -> Tensor:
        """What each pair weighs; while it learns, the groups' weights move on first, by how well what people judged is served."""
        if not self.settings.maxmin or self.model is None or not self.model.training:
            return torch.ones_like(each)
        weights, group, judged = self.group_weights.to(each.device), inputs["group"], inputs["judged"].to(each.dtype)
        total = torch.zeros_like(weights).index_add(0, group, judged * each.detach())
        count = torch.zeros_like(weights).index_add(0, group, judged)
        total, count = self.accelerator.reduce(total), self.accelerator.reduce(count)
        weights = maxmin.grown(weights, total, count, self.settings.maxmin)
        self.group_weights = weights.cpu()
        return maxmin.of_pairs(weights, self.shares.to(each.device), group)

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        rows: Any = train_dataset if train_dataset is not None else self.train_dataset
        if self.settings.order == "curriculum":
            return SequentialSampler(rows)
        generator = torch.Generator().manual_seed(self.settings.seed)
        return RandomSampler(rows, generator=generator)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The figures of ``diagnosed``; nothing where no row was kept aside."""
        found = self.diagnosed()
        if found:
            self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        return found

    def diagnosed(self) -> Figures:
        """``held_out`` of the rows kept aside, the accuracy on a sample of the learnt ones, and how entangled gradients are."""
        rows: Any = self.eval_dataset
        if not rows:
            return {}
        found = {f"held_out_{name}": value for name, value in self.held_out(rows).items()}
        if self.learnt_sample:
            found["learnt_accuracy"] = self.held_out(self.learnt_sample)["accuracy"]
        model = self.accelerator.unwrap_model(self.model)
        batch = next(batched(rows[:ENTANGLED_ROWS], ENTANGLED_ROWS, self))
        return found | {"entanglement": entanglement(model, batch)}

    def held_out(self, rows: Sequence[Row]) -> Figures:
        """Each once over all rows: accuracy, margin and loss of the implicit reward; how far both log-probabilities moved
        (``chosen_gain``, ``rejected_gain``); ``ranking``, the share where the chosen response is likelier; and with a reference
        ``ideal``, what that share would be at the loss's optimum.
        """
        model = self.accelerator.unwrap_model(self.model)
        was_training = model.training
        model.eval()
        parts = []
        with torch.no_grad():
            for batch in batched(rows, self.args.per_device_train_batch_size, self):
                pairs = pairs_of(batch, log_probs(model, batch))
                each = {
                    "accuracy": _right(self.margin(pairs)),
                    "margin": self.margin(pairs),
                    "loss": self.method.loss(pairs, self.options),
                    "ranking": _right(pairs.chosen - pairs.rejected),
                }
                if self.method.reference:
                    each |= {
                        "chosen_gain": pairs.gain,
                        "rejected_gain": pairs.drop,
                        "ideal": ideal(pairs, self.options),
                    }
                names = list(each)
                parts.append(torch.stack([each[name].float() for name in names]).cpu())
        model.train(was_training)
        return dict(zip(names, torch.cat(parts, 1).mean(1).tolist(), strict=True))

    def margin(self, pairs: Pairs) -> Tensor:
        """The method's implicit reward of chosen over rejected, (B,): βΔ, or per token without a reference."""
        if self.method.reference:
            return self.options.beta * pairs.delta
        return self.options.beta * (pairs.chosen / pairs.chosen_length - pairs.rejected / pairs.rejected_length)


def ideal(pairs: Pairs, options: Options) -> Tensor:
    """Whether the optimum of DPO's loss makes the chosen response the likelier one, (B,) of 0, ½ and 1.

    There π(c)/π(r) = π_ref(c)/π_ref(r) · (α/(1−α))^(1/β), α the share of people who prefer c (Chen et al. 2024, *Preference
    learning algorithms do not learn preference rankings*, theorem 3.1). α is the judgment's target, at most 1 − ``noise``.
    """
    share = pairs.target.clamp(max=1 - options.noise)
    return _right(pairs.ref_chosen - pairs.ref_rejected + torch.logit(share) / options.beta)


def entanglement(model: Any, batch: Mapping[str, Tensor]) -> float:
    """⟨∇log π(c), ∇log π(r)⟩ / ‖∇log π(c)‖² of a batch's means: above 1 a step that lowers r lowers c too.

    Yuan et al. 2025, *A common pitfall of margin-based language model alignment: gradient entanglement*.
    """
    weights = [each for each in model.parameters() if each.requires_grad]
    chosen, rejected = log_probs(model, batch)[: 2 * len(batch["target"])].chunk(2)
    up = torch.autograd.grad(chosen.mean(), weights, retain_graph=True, allow_unused=True)
    down = torch.autograd.grad(rejected.mean(), weights, allow_unused=True)
    both = [(a.float(), b.float()) for a, b in zip(up, down, strict=True) if a is not None and b is not None]
    inner, norm = sum((a * b).sum().item() for a, b in both), sum((a * a).sum().item() for a, _ in both)
    return inner / norm if norm else 0.0


def _right(margin: Tensor) -> Tensor:
    return (margin > 0).float() + 0.5 * (margin == 0).float()


def batched(rows: Sequence[Row], size: int, trainer: Trainer) -> Iterator[dict[str, Any]]:
    """Batches on the trainer's device, in order."""
    put_together: Callable[[list[Row]], dict[str, Tensor]] = trainer.data_collator  # type: ignore[assignment]
    for start in range(0, len(rows), size):
        batch = put_together(list(rows[start : start + size]))
        yield {name: value.to(trainer.args.device) for name, value in batch.items()}


def step_figures(pairs: Pairs, loss: Tensor, beta: float) -> dict[str, Tensor]:
    """What a step shows, each a mean (): loss, implicit margin and accuracy, both log-probabilities, how far they moved."""
    margin = beta * pairs.delta
    return {
        "loss": loss.mean(),
        "margin": margin.mean(),
        "accuracy": (margin > 0).float().mean(),
        "chosen": pairs.chosen.mean(),
        "rejected": pairs.rejected.mean(),
        "chosen_gain": pairs.gain.mean(),
        "rejected_gain": pairs.drop.mean(),
    }


class Conduct(TrainerCallback):
    """Says how it goes after each step, stops where asked, keeps the best weights, marks checkpoints complete.

    ``tell`` gets the figures; ``asked_to_stop`` is polled once a step; ``look`` measures samples after an evaluation.
    """

    def __init__(
        self,
        *,
        best: Path,
        patience: int,
        tell: Callable[[Mapping[str, float | int | str]], None],
        asked_to_stop: Callable[[], bool],
        look: Callable[[], Figures],
    ) -> None:
        self.best, self.patience = best, patience
        self.tell, self.asked_to_stop, self.look = tell, asked_to_stop, look
        self.trainer: PreferenceTrainer | None = None
        self.stopped = False
        self.below = 0
        self.accuracy = -1.0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:  # noqa: ARG002
        """Take up where a checkpoint left off."""
        checkpoint = Path(args.output_dir or "") / f"checkpoint-{state.global_step}" / STATE_FILE
        if state.global_step and checkpoint.is_file():
            kept = json.loads(checkpoint.read_text())
            self.below, self.accuracy = kept["below"], kept["accuracy"]
            self._trainer.group_weights = torch.tensor(kept["groups"])

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Report; on a request to stop, save first."""
        trainer = self._trainer
        if state.is_world_process_zero:
            self.tell({"step": state.global_step, "steps": state.max_steps, **trainer.figures})
        stop = self.asked_to_stop()
        if trainer.accelerator.num_processes > 1:
            asked = torch.tensor(float(stop), device=args.device)
            stop = trainer.accelerator.reduce(asked, "sum").item() > 0
        if stop:
            self.stopped = control.should_save = control.should_training_stop = True

    def on_evaluate(  # type: ignore[override]  # the callback handler always passes the metrics
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,
        metrics: Figures,
        **_: Any,
    ) -> None:
        """Keep the weights of the best held-out accuracy, of equal ones the later; stop once it keeps falling."""
        if metrics["held_out_accuracy"] >= self.accuracy:
            self.accuracy, self.below = metrics["held_out_accuracy"], 0
            self._trainer.save_model(str(self.best))
        else:
            self.below += 1
            control.should_training_stop = control.should_training_stop or self.below >= self.patience
        if state.is_world_process_zero:
            self.tell({"step": state.global_step, "steps": state.max_steps, **metrics, **self.look()})

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:  # noqa: ARG002
        """The last file of a checkpoint."""
        if state.is_world_process_zero:
            folder = Path(args.output_dir or "") / f"checkpoint-{state.global_step}"
            groups = self._trainer.group_weights.tolist()
            kept = {"below": self.below, "accuracy": self.accuracy, "groups": groups}
            (folder / STATE_FILE).write_text(json.dumps(kept))
            (folder / COMPLETE).touch()

    @property
    def _trainer(self) -> PreferenceTrainer:
        assert self.trainer is not None, "set after the trainer is made, before it trains"
        return self.trainer


def last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint."""
    complete = [each for each in folder.glob("checkpoint-*") if (each / COMPLETE).is_file()]
    return max(complete, key=lambda each: int(each.name.rpartition("-")[2]), default=None)
