"""Conversations written out as one text, told apart again."""

from __future__ import annotations

import jinja2
import pytest

from attune.data import flatten_prompt
from attune.errors import BadData
from attune.transcripts import parse_transcript, split_transcript, without_end, without_start

TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Why is\n\ntea bitter?"},
    {"role": "assistant", "content": "Too hot."},
    {"role": "user", "content": "And cold?"},
    {"role": "assistant", "content": "Then it is weak."},
]
PLAIN = TURNS[1:]

CHATML = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
LLAMA3 = (
    "<|begin_of_text|>{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content }}<|eot_id|>"
    "{% endfor %}"
)
GEMMA = (
    "<bos>{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content }}"
    "<end_of_turn>\n{% endfor %}"
)
ZEPHYR = "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}</s>\n{% endfor %}"


@pytest.mark.parametrize("template", [CHATML, LLAMA3, GEMMA, ZEPHYR])
def test_what_a_chat_template_writes_is_read_back(template: str) -> None:
    """Rendered by the template engine that tokenizers use."""
    text = jinja2.Template(template).render(messages=TURNS)
    assert parse_transcript(text) == TURNS
    assert split_transcript(text) == (TURNS[:-1], "Then it is weak.")


def test_llama2_instructions() -> None:
    text = "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nWhy is\n\ntea bitter? [/INST] Too hot. </s><s>[INST] And cold? [/INST] Then it is weak.</s>"
    assert parse_transcript(text) == TURNS


def test_hh_transcripts_and_our_own_flat_form() -> None:
    hh = "\n\nHuman: Why is tea bitter?\n\nAssistant: Too hot.\n\nHuman: And cold?\n\nAssistant: Then it is weak."
    flat = flatten_prompt([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}])
    assert [turn["content"] for turn in parse_transcript(hh) or []] == [
        *("Why is tea bitter?", "Too hot.", "And cold?", "Then it is weak.")
    ]
    assert split_transcript(flat) == ([{"role": "user", "content": "Hi"}], "Hello")


def test_a_generation_prompt_has_no_last_turn() -> None:
    text = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert parse_transcript(text) == [{"role": "user", "content": "Hi"}]
    with pytest.raises(BadData, match="end with a turn of the assistant"):
        split_transcript(text)


@pytest.mark.parametrize("text", ["Just a text.", "He said: user: hello", "x <|im_start|>user\nHi<|im_end|>", ""])
def test_other_texts_are_not_guessed_at(text: str) -> None:
    assert parse_transcript(text) is None
    with pytest.raises(BadData, match="told apart"):
        split_transcript(text)


def test_tokens_at_the_ends() -> None:
    assert without_end("Fine.<|im_end|>\n<|endoftext|>") == "Fine."
    assert without_end(" Fine. ") == " Fine. "
    assert without_start("<s><bos>Hi") == "Hi"
