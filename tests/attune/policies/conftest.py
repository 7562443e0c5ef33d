"""A language model of a few thousand parameters and judgments for it: everything real, nothing slow."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from attune.data import Judgment, Response, Snapshot
from attune.policies.tiny.build import BEGIN, CHAT_TEMPLATE, END, PAD, ROLES

SHORT = ("Just do it.", "Try it once.", "Go now.", "Yes, soon.")
LONG = (
    "It may perhaps be a good idea to wait and to think about it for a while.",
    "There are many things to consider before one begins with such a thing.",
    "One could possibly look at it from several sides and then decide slowly.",
    "In general it depends on what you have and on what you would like to do.",
)


@pytest.fixture(autouse=True)
def _on_a_cpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the tests run they compute in float32 and give the same figures; those ``on_a_gpu`` compare the two."""
    if request.node.get_closest_marker("on_a_gpu") is None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture(scope="session")
def micro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of ``make_micro``."""
    return make_micro(tmp_path_factory.mktemp("micro"))


def make_micro(folder: Path) -> Path:
    """Save a Llama of 2 layers × 32 that has learnt nothing, with its tokenizer."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    specials = [BEGIN, END, PAD, *ROLES]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator([*SHORT, *LONG], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token=BEGIN, eos_token=END, pad_token=PAD)
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
def judged() -> Snapshot:
    """24 judgments of two annotators, who both prefer the short response; some say why."""
    responses, judgments = {}, []
    for number in range(24):
        prompt = f"What should I do about number {number}?"
        short, long = f"s{number}", f"l{number}"
        responses[short] = Response(short, prompt, SHORT[number % 4])
        responses[long] = Response(long, prompt, LONG[(number // 4) % 4])
        a, b = (short, long) if number % 2 else (long, short)
        judgments.append(
            Judgment(
                annotator=f"u{number % 2}",
                a=a,
                b=b,
                choice="a" if a == short else "b",
                strength=1 + number % 3,
                rationale="It is short." if number % 3 == 0 else "",
            )
        )
    return Snapshot(responses, tuple(judgments), "d" * 64)
