"""Making the tiny language model from its corpus: `python -m attune.policies.tiny.build FOLDER`. Seeded; CPU; an hour.

A Llama of 4 layers × 192 with a byte-level BPE of 2048 tokens. First it learns the *language*, on the corpus packed into rows of 256
tokens, the last part of it into rows of 512. Then it learns to *read*: conversations whose prompt tells something of the answer
(``attune.policies.tiny.telling``), each in a row of its own so that nothing cuts them apart, and only the answer counts. The weights are
stored in bfloat16 (4.4 MB).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from random import Random

import click
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from attune.data import flatten_prompt
from attune.policies.prompts import Message
from attune.policies.tiny.corpus import Topic, documents, load_topics
from attune.policies.tiny.telling import told
from attune.simulate import load_starter

VOCABULARY = 2048
CONTEXT = 2048
SHORT_ROW, LONG_ROW = 256, 512
LONG_SHARE = 0.15
STEP_TOKENS = 1024
LEARNING_RATE = 3e-3
SEED = 0
DOCUMENTS = 30_000
COURSES = 2
"""Passes of the second part, the rate falling anew in each (Loshchilov and Hutter 2017)."""
READING_STEPS, READING_RATE, READING_TOKENS = 1_800, 1.5e-3, 2_048
POOL = 400
"""Conversations among which those of like length are put together."""
MOST_TOKENS = 800
LEFT_OUT = -100
"""The label of a token that does not count."""
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
topics written for Attune (`attune/policies/tiny/`); its tokenizer also knows the starter project's texts. It heeds a described reader
and a direction in the prompt. Last loss {loss:.3f} nats per token of an answer.
"""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--documents", "count", default=DOCUMENTS, show_default=True, help="Conversations in the corpus.")
@click.option(
    "--reading-steps", default=READING_STEPS, show_default=True, help="Steps of each course of the second part."
)
@click.option(
    "--language",
    type=click.Path(exists=True, path_type=Path),
    help="A folder of the first part: only the second is done.",
)
@click.option("--seed", default=SEED, show_default=True)
def command(folder: Path, count: int, reading_steps: int, language: Path | None, seed: int) -> None:
    """Write the corpus, learn it, learn to read, and save the model with its tokenizer and card in FOLDER.

    What is in between is kept in FOLDER/language and FOLDER/course-1.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    topics = load_topics()
    if language is None:
        language = folder / "language"
        learn_language(language, list(documents(topics, count, seed)))
    begun = language
    for course in range(COURSES):
        read = folder if course == COURSES - 1 else folder / f"course-{course + 1}"
        loss = learn_to_read(begun, read, topics, reading_steps, seed + course)
        begun = read
    card = CARD.format(
        parameters=LlamaForCausalLM.from_pretrained(folder).num_parameters(),
        vocabulary=VOCABULARY,
        topics=len(topics),
        documents=count,
        seed=seed,
        loss=loss,
    )
    (folder / "README.md").write_text(card)


def learn_language(folder: Path, talks: Sequence[Sequence[Message]]) -> None:
    """The first part, saved in ``folder``."""
    tokenizer = make_tokenizer(talks)
    model = new_model(tokenizer)
    learn(model, packed(tokenizer, talks))
    save(model, tokenizer, folder)


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """In bfloat16, the tokenizer without where it was read from."""
    for name in ("is_local", "local_files_only"):
        tokenizer.init_kwargs.pop(name, None)
    model.generation_config.update(do_sample=True, temperature=1.0, max_new_tokens=256)
    model.to(torch.bfloat16).save_pretrained(folder)  # type: ignore[arg-type]
    tokenizer.save_pretrained(folder)


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


Row = tuple[list[int], int]
"""A conversation's tokens, and where the answer begins that is to be learnt."""


def readable(
    tokenizer: PreTrainedTokenizerFast, talks: Iterator[list[Message]], rng: Random
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches without end: tokens (B, T), and labels (B, T) that are left out but for the answers'."""
    while True:
        rows = [_row(tokenizer, talk) for talk in islice(talks, POOL)]
        groups = _alike(sorted((row for row in rows if len(row[0]) <= MOST_TOKENS), key=lambda row: len(row[0])))
        for group in rng.sample(groups, len(groups)):
            width = len(group[-1][0])
            tokens = torch.full((len(group), width), int(tokenizer.pad_token_id))
            labels = torch.full((len(group), width), LEFT_OUT)
            for place, (ids, begin) in enumerate(group):
                tokens[place, : len(ids)] = torch.tensor(ids)
                labels[place, begin : len(ids)] = torch.tensor(ids[begin:])
            yield tokens, labels


def _row(tokenizer: PreTrainedTokenizerFast, talk: Sequence[Message]) -> Row:
    whole = str(tokenizer.apply_chat_template(list(talk), tokenize=False))
    asked = str(tokenizer.apply_chat_template(list(talk[:-1]), tokenize=False, add_generation_prompt=True))
    ids, begin = tokenizer([whole, asked], add_special_tokens=False)["input_ids"]
    return ids, len(begin)


def _alike(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows from short to long in groups of ``READING_TOKENS`` at most, the padding counted."""
    groups: list[list[Row]] = [[]]
    for row in rows:
        if (len(groups[-1]) + 1) * len(row[0]) > READING_TOKENS:
            groups.append([])
        groups[-1].append(row)
    return [group for group in groups if group]


def learn_to_read(begun: Path, folder: Path, topics: Sequence[Topic], steps: int, seed: int) -> float:
    """One course of the second part, from the model in ``begun`` to that in ``folder``; the mean loss of the last fiftieth."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(begun)
    model = LlamaForCausalLM.from_pretrained(begun, dtype=torch.float32)
    batches = islice(readable(tokenizer, told(topics, seed), Random(seed)), steps)  # noqa: S311 (no secret)
    optimizer = torch.optim.AdamW(model.parameters(), lr=READING_RATE, betas=(0.9, 0.95), weight_decay=0.1)
    losses: list[float] = []
    model.train()
    for step, (tokens, labels) in enumerate(batches):
        _set_rate(optimizer, READING_RATE, step, steps)
        logits = model(tokens[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=LEFT_OUT)
        _descend(model, optimizer, loss)
        losses.append(loss.item())
        if step % 25 == 0 or step == steps - 1:
            click.echo(json.dumps({"reading": step, "steps": steps, "loss": losses[-1]}))
    save(model, tokenizer, folder)
    return _last_mean(losses)


def _set_rate(optimizer: torch.optim.Optimizer, rate: float, step: int, steps: int) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate * min(1, (step + 1) / 50) * (0.05 + 0.95 * _cosine(step / steps))


def _descend(model: LlamaForCausalLM, optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()


def _last_mean(losses: Sequence[float]) -> float:
    last = losses[-max(1, len(losses) // 50) :]
    return sum(last) / len(last)


def learn(model: LlamaForCausalLM, batches: Sequence[torch.Tensor]) -> float:
    """One pass over the corpus; the mean loss of the last fiftieth."""
    steps = len(batches)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.1)
    losses: list[float] = []
    began = time.monotonic()
    model.train()
    for step, batch in enumerate(batches):
        _set_rate(optimizer, LEARNING_RATE, step, steps)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(batch[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten())
        _descend(model, optimizer, loss)
        losses.append(loss.item())
        if step % 25 == 0 or step == steps - 1:
            speed = (step + 1) * STEP_TOKENS / (time.monotonic() - began)
            click.echo(json.dumps({"step": step, "steps": steps, "loss": losses[-1], "tokens_per_s": round(speed)}))
    return _last_mean(losses)


def _cosine(part: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * part))


if __name__ == "__main__":
    command()
