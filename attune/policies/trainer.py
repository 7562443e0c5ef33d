"""Training a policy from a snapshot: base model, adapter, reference, steps, checkpoints, result.

The same call with the same work folder goes on from the last complete checkpoint there, to the same loss: rows, their order,
dropout and the reference are all functions of the settings.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from transformers import PrinterCallback, set_seed

from attune.data import Snapshot
from attune.direction import ASPECTS
from attune.errors import BadData, Cancelled
from attune.fspo.describing import descriptions_in
from attune.policies import losses
from attune.policies.arguments import arguments
from attune.policies.base import Base, load_base
from attune.policies.batches import Encoder, Row, by_row, log_probs
from attune.policies.directions import with_directions, yardstick_of
from attune.policies.errors import translated
from attune.policies.examples import Examples, curriculum, examples_of, with_shots
from attune.policies.foretelling import with_foretold
from attune.policies.maxmin import shares_of
from attune.policies.noise import flip_rate
from attune.policies.own_answers import Policy
from attune.policies.preference_trainer import Conduct, Figures, PreferenceTrainer, batched, last_checkpoint
from attune.policies.prompts import Message
from attune.policies.sampling import Looker
from attune.policies.saving import ADAPTER_WEIGHTS, check_base, extrapolate, save_policy
from attune.policies.selfplay import Opinions, examples_of_opinions
from attune.policies.settings import PolicySettings
from attune.policies.steering import ASKED, steered
from attune.policies.telling import known_of, with_told

LEARNT_SAMPLE = 32
"""At least so many of the learnt rows are looked at beside those kept aside."""

Tell = Callable[[Mapping[str, float | int | str]], None]
"""Told a ``step`` of ``steps`` with its figures, or, before the first one, how far a ``stage`` is: told, foretold, reference."""


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose taste is learnt: ``annotators`` None is everybody's. ``groups`` are MaxMin's; ``start_from`` is an adapter, and ``origin``
    that with which self-play began, None the base model."""

    title: str = "Policy"
    sentence: str = "For everybody in the project."
    annotators: Collection[str] | None = None
    groups: Mapping[str, int] = field(default_factory=dict)
    start_from: Path | None = None
    origin: Path | None = None


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """What came of a run: the folder's digest (empty on processes that do not write), figures, remarks."""

    digest: str
    metrics: Mapping[str, float]
    notes: Sequence[str]


def fit_policy(
    snapshot: Snapshot | Opinions,
    settings: PolicySettings,
    *,
    out: Path,
    work: Path,
    whose: Whose | None = None,
    about: Mapping[str, Any] | None = None,
    tell: Tell = lambda _: None,
    asked_to_stop: Callable[[], bool] = lambda: False,
) -> PolicyReport:
    """Train and store a policy in ``out``, from judgments or from a preference model's opinions; checkpoints go to ``work``.

    Raises ``BadData`` where the judgments teach nothing, ``Cancelled`` after the checkpoint that a stop asked for, and a
    ``PolicyError`` for a base that cannot be used, a full disk, too little memory or a loss that is not finite.
    """
    try:
        return _Fit(snapshot, settings, whose or Whose(), work, tell, asked_to_stop).run(out, about or {})
    except Exception as error:
        known = translated(error)
        if known is error:
            raise
        raise known from error


class _Fit:
    """The steps of one run, in order. Each needs what the one before has made."""

    def __init__(
        self,
        snapshot: Snapshot | Opinions,
        settings: PolicySettings,
        whose: Whose,
        work: Path,
        tell: Tell,
        asked_to_stop: Callable[[], bool],
    ) -> None:
        self.snapshot, self.settings, self.whose, self.work = snapshot, settings, whose, work
        self.tell, self.asked_to_stop = tell, asked_to_stop
        self.method, self.options = losses.method(settings.method), _options(settings.options)
        self.began = time.monotonic()

    def run(self, out: Path, about: Mapping[str, Any]) -> PolicyReport:
        examples = self._examples()
        self._measure_noise()
        set_seed(self.settings.seed)
        asked = self.settings
        base = load_base(
            asked.base, asked.revision, chat_template=asked.chat_template, to_learn=asked.adapter == "full"
        )
        model = self._with_adapter(base)
        examples = self._with_foretold(self._with_known_told(examples, model, base.tokenizer))
        train, held_out, notes = self._rows(base, examples)
        look = Looker(model, base.tokenizer, _questions(examples, self.settings.samples), self.settings.seed)
        conduct = Conduct(
            best=self.work / "best",
            patience=self.settings.patience,
            tell=self.tell,
            asked_to_stop=self.asked_to_stop,
            look=look,
        )
        trainer = self._trainer(base, model, train, held_out, conduct)
        self._fill_reference(trainer, [*train, *held_out])
        self._fill_origin(trainer, [*train, *held_out])
        start = look.before()
        if trainer.is_world_process_zero() and last_checkpoint(self.work) is None:
            self.tell({"step": 0, "steps": 0, **trainer.diagnosed(), **start})
        self._train(trainer, conduct)
        metrics = self._finish(trainer, base.tokenizer, examples, held_out, look)
        digest = ""
        if trainer.is_world_process_zero():
            described = self._described(metrics, notes, train, held_out, look)
            digest = save_policy(model, base.tokenizer, base, out, {**described, **about})
        return PolicyReport(digest, metrics, notes)

    def _examples(self) -> Examples:
        asked = self.settings
        if isinstance(self.snapshot, Opinions):
            if asked.shots or asked.directions or asked.foretold:
                raise BadData(
                    "shots, directions and foretold need judgments, and opinions of a model are none; set all to 0"
                )
            return examples_of_opinions(self.snapshot, held_out=asked.held_out, seed=asked.seed)
        examples = examples_of(
            self.snapshot,
            method=asked.method,
            held_out=asked.held_out,
            seed=asked.seed,
            annotators=self.whose.annotators,
            groups=self.whose.groups,
        )
        if asked.directions:
            return with_directions(examples, asked.directions, asked.seed, list(asked.aspects) or ASPECTS)
        if not asked.shots:
            return examples
        given = descriptions_in(self.snapshot.about)
        return with_shots(examples, asked.shots, asked.seed, describe=asked.describe != "off", given=given)

    def _with_known_told(self, examples: Examples, model: Any, tokenizer: Any) -> Examples:
        asked = self.settings
        if "told" not in (asked.rationales, asked.profiles):
            return examples
        known = known_of(
            examples.train,
            reasons=asked.rationales == "told",
            profiles=asked.profiles == "told",
            given={} if isinstance(self.snapshot, Opinions) else descriptions_in(self.snapshot.about),
        )
        model.to("cuda" if torch.cuda.is_available() else "cpu")
        return with_told(
            examples,
            Policy(model, tokenizer, asked.seed),
            self.work,
            known,
            share=asked.told,
            most=asked.told_most,
            weight=asked.told_weight,
            seed=asked.seed,
            tell=self.tell,
            asked_to_stop=self.asked_to_stop,
        )

    def _with_foretold(self, examples: Examples) -> Examples:
        if not self.settings.foretold or isinstance(self.snapshot, Opinions):
            return examples
        return with_foretold(
            examples,
            self.snapshot,
            self.settings,
            self.work,
            tell=self.tell,
            asked_to_stop=self.asked_to_stop,
        )

    def _fill_reference(self, trainer: PreferenceTrainer, rows: list[Row]) -> None:
        """log π_ref of every response, once: the model as it is before the first step."""
        if not trainer.method.reference:
            return
        for place, (chosen, *between, rejected) in self._measured(trainer, rows):
            rows[place].ref_chosen, rows[place].ref_rejected, rows[place].ref_between = chosen, rejected, tuple(between)

    def _fill_origin(self, trainer: PreferenceTrainer, rows: list[Row]) -> None:
        """log π of every response under the model with which self-play began, for INPO, where that is not the reference."""
        start, origin = self.whose.start_from, self.whose.origin
        if self.settings.method != "inpo" or not self.options.anchor or start is None or origin == start:
            return
        model = trainer.accelerator.unwrap_model(trainer.model)
        if origin is None:
            with model.disable_adapter():
                found = self._measured(trainer, rows)
        else:
            _load_weights(model, origin)
            found = self._measured(trainer, rows)
            _load_weights(model, start)
        for place, (chosen, *_between, rejected) in found:
            rows[place].origin = (chosen, rejected)

    def _measured(self, trainer: PreferenceTrainer, rows: list[Row]) -> list[tuple[int, list[float]]]:
        """log π of every row's responses, best first, under the model as it is. Each process computes its share."""
        world, rank = trainer.accelerator.num_processes, trainer.accelerator.process_index
        model = trainer.accelerator.unwrap_model(trainer.model)
        model.eval()
        mine: list[tuple[int, list[float]]] = []
        places = list(range(rank, len(rows), world))
        with torch.no_grad():
            size = trainer.args.per_device_train_batch_size
            batches = batched([rows[place] for place in places], size, trainer)
            for start, batch in zip(range(0, len(places), size), batches, strict=True):
                if self.asked_to_stop():
                    raise Cancelled(
                        "The run was stopped while it measured its reference; what was kept before is kept."
                    )
                if rank == 0:
                    self.tell({"stage": "reference", "step": start, "steps": len(places)})
                mine += zip(places[start : start + size], by_row(batch, log_probs(model, batch)), strict=True)
        model.train()
        found: list[tuple[int, list[float]]] = gather_object(mine) if world > 1 else mine
        return found

    def _measure_noise(self) -> None:
        """ε of rDPO and cDPO from how often the annotators contradict themselves, unless it was set."""
        if isinstance(self.snapshot, Opinions):
            return
        if self.settings.method in ("rdpo", "cdpo") and "noise" not in self.settings.options:
            measured = flip_rate(self.snapshot, self.whose.annotators)
            if measured is not None:
                self.options = replace(self.options, noise=measured)

    def _with_adapter(self, base: Base) -> Any:
        start = self.whose.start_from
        if self.settings.adapter == "full":
            if start is not None:
                raise BadData("full weights cannot start from an adapter; choose adapter 'lora'")
            return base.model
        if start is not None:
            check_base(start, base)
            model = PeftModel.from_pretrained(base.model, start, is_trainable=True)
            # The stored name is for others; with it PEFT would ask the network about the base at every save.
            model.peft_config["default"].base_model_name_or_path = base.model.name_or_path
            return model
        config = LoraConfig(
            r=self.settings.rank,
            lora_alpha=2 * self.settings.rank,
            lora_dropout=0.0,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        return get_peft_model(base.model, config)

    def _rows(self, base: Base, examples: Examples) -> tuple[list[Row], list[Row], list[str]]:
        context = int(getattr(base.model.config, "max_position_embeddings", None) or self.settings.max_length)
        encoder = Encoder(base.tokenizer, self.settings, context=context, discount=self.options.discount)
        draw = random.Random(self.settings.seed)  # noqa: S311 (no secret)
        ordered = curriculum(examples.train) if self.settings.order == "curriculum" else list(examples.train)
        train = encoder.rows(ordered, chosen_first=[draw.random() < 0.5 for _ in ordered])
        held_out = encoder.rows(examples.held_out, chosen_first=[True] * len(examples.held_out))
        notes = [*base.notes, *examples.notes]
        if encoder.too_long:
            notes.append(
                f"{encoder.too_long} judgments were left out: prompt and response are longer than {encoder.limit} tokens"
                f" (the longest has {encoder.longest})."
            )
        if encoder.shots_dropped:
            notes.append(
                f"{encoder.shots_dropped} judgments were not shown in the prompt of another one: it holds {encoder.limit}"
                " tokens with the response."
            )
        if self.settings.rationales in ("nll", "published") and not any(
            example.rationale for example in examples.train
        ):
            notes.append("No judgment has a rationale, so the run is the same as without.")
        return train, held_out, notes

    def _trainer(
        self, base: Base, model: Any, train: list[Row], held_out: list[Row], conduct: Conduct
    ) -> PreferenceTrainer:
        trainer = PreferenceTrainer(
            settings=self.settings,
            method=self.method,
            options=self.options,
            shares=shares_of(train),
            tokenizer=base.tokenizer,
            model=model,
            args=arguments(self.settings, self.work, len(train), evaluates=bool(held_out)),
            train_dataset=train,
            eval_dataset=held_out or None,
            callbacks=[conduct],
        )
        trainer.remove_callback(PrinterCallback)  # what is to be said goes through ``tell``
        judged = [row for row in train if row.example.judged]
        sample = min(len(judged), max(LEARNT_SAMPLE, len(held_out)))
        trainer.learnt_sample = random.Random(self.settings.seed).sample(judged, sample)  # noqa: S311 (no secret)
        conduct.trainer = trainer
        return trainer

    def _train(self, trainer: PreferenceTrainer, conduct: Conduct) -> None:
        checkpoint = last_checkpoint(self.work)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        if conduct.stopped:
            raise Cancelled(f"The run was stopped at step {trainer.state.global_step}; its checkpoint is kept.")

    def _finish(
        self, trainer: PreferenceTrainer, tokenizer: Any, examples: Examples, held_out: list[Row], look: Looker
    ) -> Figures:
        """Best weights, momentum, and the figures of what is really stored."""
        model = trainer.accelerator.unwrap_model(trainer.model)
        if held_out:
            _load_weights(model, self.work / "best")
        if self.settings.momentum and self.whose.start_from:
            extrapolate(self.whose.start_from, model, self.settings.momentum)
        metrics = trainer.diagnosed()
        metrics |= look() | look.lengths()
        if self.settings.directions and self.settings.samples:
            asked = _questions(examples, ASKED)
            metrics |= steered(model, tokenizer, asked, yardstick_of(examples), self.settings.seed)
        return metrics | {
            "train_loss": float(trainer.figures.get("loss", 0.0)),
            "steps": float(trainer.state.global_step),
            "seconds": round(time.monotonic() - self.began, 3),
        }

    def _described(
        self, metrics: Figures, notes: list[str], train: list[Row], held_out: list[Row], look: Looker
    ) -> dict[str, Any]:
        return {
            "title": self.whose.title,
            "whose": self.whose.sentence,
            "settings": self.settings.as_mapping() | {"options": asdict(self.options)},
            "snapshot": self.snapshot.digest,
            "counts": {
                "train": sum(row.example.judged for row in train),
                "made": sum(not row.example.judged for row in train),
                "held_out": len(held_out),
                "annotators": len({row.example.annotator for row in train} - {""}),
                "rationales": sum(row.reason is not None for row in train),
            },
            "metrics": metrics,
            "notes": notes,
            "samples": look.shown(),
        }


def _options(values: Mapping[str, float]) -> losses.Options:
    try:
        return replace(losses.Options(), **values)  # type: ignore[arg-type]
    except TypeError as error:
        raise BadData(f"options of the loss: {error}") from None


def _questions(examples: Examples, count: int) -> list[tuple[Message, ...]]:
    """Different prompts, held-out ones first."""
    found: dict[str, tuple[Message, ...]] = {}
    for each in (*examples.held_out, *examples.train):
        found.setdefault("\n".join(message["content"] for message in each.conversation), each.conversation)
    return list(found.values())[:count]


def _load_weights(model: Any, folder: Path) -> None:
    """The best weights back into the model."""
    if (folder / ADAPTER_WEIGHTS).is_file():
        set_peft_model_state_dict(model, load_file(folder / ADAPTER_WEIGHTS))
        return
    for shard in sorted(folder.glob("*.safetensors")):
        model.load_state_dict(load_file(shard), strict=False)
