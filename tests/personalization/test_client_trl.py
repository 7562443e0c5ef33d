"""A step of TRL's GRPO on a tiny model made from nothing, with personal rewards from a live server."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from attune.client import RewardClient
from tests.factories import make_annotator
from tests.personalization.conftest import Api, World
from tests.personalization.worlds import judge

WORDS = [*"abcdefghijklmnopqrstuvwxyz0123456789?.,", "boil", "eggs", "How", "do", "I", "minutes", "ten", "the"]


@pytest.fixture
def tiny(tmp_path: Path) -> tuple[Any, Any]:
    """A Llama with two layers of 32, randomly initialised, and a tokenizer of some words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.set_num_threads(1)
    torch.manual_seed(0)
    vocabulary = {word: n for n, word in enumerate(["<pad>", "<eos>", "<unk>", *WORDS])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", padding_side="left"
    )
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=128,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
    )
    return LlamaForCausalLM(config), tokenizer


@pytest.fixture
def _foreign_warnings() -> Iterator[None]:
    """TRL's and torch's own are not ours to mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("_foreign_warnings")
@pytest.mark.django_db(transaction=True)
def test_grpo_learns_from_personal_rewards(
    world: World, live_server: LiveServer, scorer: str, tiny: tuple[Any, Any], tmp_path: Path
) -> None:
    import torch
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    other = make_annotator(world.project, ref="other")
    judge(world.judge, world.pairs[0], "a", strength=3)
    judge(other, world.pairs[0], "b", strength=3)
    model, tokenizer = tiny
    before = {name: weights.clone() for name, weights in model.named_parameters()}
    seen: list[tuple[list[str], list[float | None]]] = []
    token = Api(world.people.owner, ("score",)).token
    with RewardClient(world.project.slug, url=live_server.url, token=token) as rewards:
        personal = rewards.as_trl(user_column="user")

        def reward(completions: list[str], user: list[str], **columns: Any) -> list[float | None]:
            found = personal(completions=completions, user=user, **columns)
            seen.append((user, found))
            return found

        rows = [{"prompt": "How do I boil eggs?", "user": ref} for ref in (world.judge.ref, "other")]
        arguments = GRPOConfig(
            output_dir=str(tmp_path),
            max_steps=1,
            per_device_train_batch_size=4,
            num_generations=2,
            max_completion_length=12,
            learning_rate=1e-2,
            temperature=1.5,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            logging_steps=1,
        )
        trainer = GRPOTrainer(
            model=model,
            processing_class=tokenizer,
            reward_funcs=reward,
            args=arguments,
            train_dataset=Dataset.from_list(rows),
        )
        trainer.train()
    ((users, found),) = seen
    assert sorted(set(users)) == sorted([world.judge.ref, "other"])
    assert len(found) == 4
    assert all(isinstance(each, float) for each in found)
    logged = trainer.state.log_history[0]
    assert logged["reward"] == pytest.approx(sum(each for each in found if each is not None) / 4, abs=1e-4)
    assert any(not torch.equal(before[name], weights) for name, weights in model.named_parameters())
