"""Making the tiny language model from its corpus: `python -m attune.policies.tiny.build FOLDER`. Seeded; CPU; minutes.

A Llama of 4 layers × 192 with a byte-level BPE of 2048 tokens, learnt on the corpus packed into rows of 256 tokens, the
last part of it into rows of 512. The weights are stored in bfloat16 (4.4 MB).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from attune.data import flatten_prompt
from attune.policies.prompts import Message
from attune.policies.tiny.corpus import documents, load_topics
from attune.simulate import load_starter

VOCABULARY = 2048
CONTEXT = 2048
SHORT_ROW, LONG_ROW = 256, 512
LONG_SHARE = 0.15
STEP_TOKENS = 1024
LEARNING_RATE = 3e-3
SEED = 0
DOCUMENTS = 30_000
BEGIN, END, PAD = "<|begin|>", "<|end|>", "<|pad|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
CHAT_TEMPLATE = (
    "{{ '<|begin|>' }}{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
CARD = """---
license: apache-2.0
language: en
pipeline_tag: text-generation
---
# Attune's tiny language model

{parameters:,} parameters (Llama, 4 layers × 192, byte-level BPE of {vocabulary} tokens), so that a policy can be trained
on a laptop's CPU in a minute and the whole loop can be tried. It answers everyday questions on {topics} topics in many
styles and knows nothing else: it is for trying Attune out, not for use.

Made by `python -m attune.policies.tiny.build FOLDER --documents {documents} --seed {seed}` from sentence patterns and
topics written for Attune (`attune/policies/tiny/`); its tokenizer also knows the starter project's texts. Last loss {loss:.3f} nats per token.
"""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--documents", "count", default=DOCUMENTS, show_default=True, help="Conversations in the corpus.")
@click.option("--seed", default=SEED, show_default=True)
def command(folder: Path, count: int, seed: int) -> None:
    """Write the corpus, learn it, and save the model with its tokenizer and card in FOLDER."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    topics = load_topics()
    talks = list(documents(topics, count, seed))
    tokenizer = make_tokenizer(talks)
    batches = packed(tokenizer, talks)
    model = new_model(tokenizer)
    loss = learn(model, batches)
    model.generation_config.update(do_sample=True, temperature=1.0, max_new_tokens=256)
    model.to(torch.bfloat16).save_pretrained(folder)  # type: ignore[arg-type]
    tokenizer.save_pretrained(folder)
    card = CARD.format(
        parameters=model.num_parameters(),
        vocabulary=VOCABULARY,
        topics=len(topics),
        documents=count,
        seed=seed,
        loss=loss,
    )
    (folder / "README.md").write_text(card)


def make_tokenizer(talks: Sequence[Sequence[Message]]) -> PreTrainedTokenizerFast:
    """A byte-level BPE of the corpus and of the starter project's texts, which people judge first."""
    texts = [message["content"] for talk in talks for message in talk]
    starter = load_starter()
    texts += [flatten_prompt(prompt.prompt) for prompt in starter]
    texts += [response.text for prompt in starter for response in prompt.responses]
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[BEGIN, END, PAD, *ROLES],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=list(ROLES),
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def new_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """The model before it has learnt anything."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=192,
            intermediate_size=512,
            num_hidden_layers=4,
            num_attention_heads=6,
            num_key_value_heads=6,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def packed(tokenizer: PreTrainedTokenizerFast, talks: Sequence[Sequence[Message]]) -> list[torch.Tensor]:
    """The corpus end to end, cut into batches of (rows, tokens + 1): each row's last token is the next one's first."""
    texts = [str(tokenizer.apply_chat_template(list(talk), tokenize=False)) for talk in talks]
    stream = [token for ids in tokenizer(texts, add_special_tokens=False)["input_ids"] for token in ids]
    cut = int(len(stream) * (1 - LONG_SHARE))
    return [*_batches(stream[:cut], SHORT_ROW), *_batches(stream[cut:], LONG_ROW)]


def _batches(stream: list[int], row: int) -> Iterator[torch.Tensor]:
    rows = (len(stream) - 1) // row
    unfolded = torch.tensor(stream[: rows * row + 1]).unfold(0, row + 1, row)
    yield from unfolded.split(STEP_TOKENS // row)


def learn(model: LlamaForCausalLM, batches: Sequence[torch.Tensor]) -> float:
    """One pass over the corpus; the mean loss of the last fiftieth."""
    steps = len(batches)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.1)
    losses: list[float] = []
    began = time.monotonic()
    model.train()
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1, (step + 1) / 50) * (0.05 + 0.95 * _cosine(step / steps))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(batch[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if step % 25 == 0 or step == steps - 1:
            speed = (step + 1) * STEP_TOKENS / (time.monotonic() - began)
            click.echo(json.dumps({"step": step, "steps": steps, "loss": losses[-1], "tokens_per_s": round(speed)}))
    last = losses[-max(1, steps // 50) :]
    return sum(last) / len(last)


def _cosine(part: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * part))


if __name__ == "__main__":
    command()
