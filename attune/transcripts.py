"""Conversations written out as one text: chat templates of common models, and the transcripts of older datasets.

Trainers send prompt and response as the one text that their model saw. Encoders and the database know them apart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from attune.errors import BadData

Message = dict[str, str]

END_TOKENS = (
    *("<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<|endoftext|>", "<end_of_turn>", "<|end|>", "<|eom_id|>"),
    *("</s>", "<eos>", "<|return|>", "<｜end▁of▁sentence｜>"),
)
START_TOKENS = ("<|begin_of_text|>", "<|endoftext|>", "<bos>", "<s>", "<｜begin▁of▁sentence｜>")
_ROLES = {"human": "user", "user": "user", "assistant": "assistant", "model": "assistant", "system": "system"}


@dataclass(frozen=True, slots=True)
class _Template:
    """How a turn begins: a pattern with the group ``role``, and whether end tokens follow its content."""

    name: str
    turn: re.Pattern[str]
    tokens: bool = True


_TEMPLATES = (
    _Template("chatml", re.compile(r"<\|im_start\|>(?P<role>system|user|assistant)\n")),
    _Template("llama3", re.compile(r"<\|start_header_id\|>(?P<role>system|user|assistant)<\|end_header_id\|>\n\n")),
    _Template("gemma", re.compile(r"<start_of_turn>(?P<role>user|model|system)\n")),
    _Template("zephyr", re.compile(r"<\|(?P<role>system|user|assistant)\|>\n")),
    _Template("hh", re.compile(r"(?:\A|\n\n)(?P<role>Human|Assistant): ?"), tokens=False),
    _Template("flat", re.compile(r"(?:\A|\n\n)(?P<role>system|user|assistant): "), tokens=False),
)
_INSTRUCTION = re.compile(r"\s*\[INST\](?P<user>.*?)\[/INST\](?P<assistant>.*?)(?=\[INST\]|\Z)", re.DOTALL)
_SYSTEM = re.compile(r"\A\s*<<SYS>>\n?(?P<system>.*?)\n?<</SYS>>\s*", re.DOTALL)


def parse_transcript(text: str) -> list[Message] | None:
    """The turns of a conversation written out, or None where the text follows no known form from its first character.

    Known: ChatML, Llama 3, Gemma, Zephyr/Phi, Llama 2/Mistral ``[INST]``, "Human: … Assistant: …" as in hh-rlhf, and the
    "role: …" of ``attune.data.flatten_prompt``. An empty last turn (a generation prompt) is left out.
    """
    body = without_start(text)
    if body.lstrip().startswith("[INST]"):
        return _instructions(body)
    for template in _TEMPLATES:
        starts = list(template.turn.finditer(body))
        if starts and not body[: starts[0].start()].strip():
            return _turns(body, starts, template)
    return None


def split_transcript(text: str) -> tuple[list[Message], str]:
    """A conversation whose last turn is the assistant's, as prompt and response.

    Raises ``BadData`` where the text follows no known form or ends with another turn.
    """
    turns = parse_transcript(text)
    if turns is None:
        raise BadData(
            "can't be told apart into prompt and response; expected a chat template (ChatML, Llama, Gemma, Mistral, Zephyr) or"
            " “Human: … Assistant: …”"
        )
    if len(turns) < 2 or turns[-1]["role"] != "assistant":
        raise BadData("must end with a turn of the assistant's that answers something")
    return turns[:-1], turns[-1]["content"]


def without_end(text: str) -> str:
    """A response without the end tokens that a tokenizer leaves when it decodes them, too."""
    body = text.rstrip()
    while (end := next((token for token in END_TOKENS if body.endswith(token)), None)) is not None:
        body = body[: -len(end)].rstrip()
        text = body
    return text


def without_start(text: str) -> str:
    """A text without the start tokens that a tokenizer puts before it."""
    body = text
    while (start := next((token for token in START_TOKENS if body.startswith(token)), None)) is not None:
        body = body[len(start) :]
    return body


def _turns(body: str, starts: Sequence[re.Match[str]], template: _Template) -> list[Message]:
    turns = []
    for n, start in enumerate(starts):
        end = starts[n + 1].start() if n + 1 < len(starts) else len(body)
        content = body[start.end() : end]
        content = without_end(content) if template.tokens else content
        turns.append(
            {
                "role": _ROLES[start["role"].lower()],
                "content": content.strip() if template.tokens else content.strip("\n"),
            }
        )
    if turns and not turns[-1]["content"]:
        turns.pop()
    return turns


def _instructions(body: str) -> list[Message] | None:
    turns: list[Message] = []
    reached = 0
    for found in _INSTRUCTION.finditer(body):
        if found.start() != reached:
            return None
        reached = found.end()
        user = found["user"].strip()
        if not turns and (system := _SYSTEM.match(user)):
            turns.append({"role": "system", "content": system["system"].strip()})
            user = user[system.end() :].strip()
        turns.append({"role": "user", "content": user})
        answer = found["assistant"].strip().removesuffix("<s>")  # the next exchange begins with one
        if answer := without_end(answer).strip():
            turns.append({"role": "assistant", "content": answer})
    return turns or None
