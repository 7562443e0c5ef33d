"""Self-play against a preference model: what it thinks of a policy's own samples, as a file and as examples. No torch.

A response's win rate against the policy is the mean of P(y ≻ y′) over the policy's samples y′, itself among them with ½ (Wu et al.
2024, *SPPO*, equation 4.4; Rosset et al. 2024, *DNO*, algorithm 1). It needs no reward: preferences may run in circles. The file
``opinions.jsonl`` holds a pair a line; they are a model's opinions and never judgments of people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from attune.errors import BadData
from attune.policies.examples import Example, Examples, conversation_of, split_by_prompt
from attune.rewards.base import Latent, RewardModel

Array = NDArray[np.float32]

OPINIONS_FILE = "opinions.jsonl"
SMALLEST_LEAD = 1e-6
"""Win rates that are nearer to each other say nothing of which response is the better one."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """Two of the policy's responses to one prompt, P(one ≻ other), and each one's win rate against the policy's samples."""

    prompt: str
    one: str
    other: str
    chance: float
    one_wins: float
    other_wins: float


@dataclass(frozen=True, slots=True)
class Opinions:
    """What a file of opinions holds, and its sha256."""

    rows: tuple[Opinion, ...]
    digest: str


def chances(model: RewardModel, latents: Sequence[Latent], items: Array) -> Array:
    """P(y_i ≻ y_j) for items (K, I), meant over the latents: (K, K) with ½ on the diagonal.

    A mean over people can run in a circle where none of them does.
    """
    count = len(items)
    one, other = np.repeat(items, count, axis=0), np.tile(items, (count, 1))
    found = np.mean([model.probability(each, one, other) for each in latents], axis=0).reshape(count, count)
    np.fill_diagonal(found, 0.5)
    return np.asarray(found, np.float32)


def win_rates(against: Array) -> Array:
    """(N, M) of P(y_i ≻ y′_j) over the policy's M samples to each response's win rate, (N,)."""
    return np.asarray(against.mean(axis=1), np.float32)


def write_opinions(folder: Path, rows: Iterable[Opinion]) -> str:
    """Write ``opinions.jsonl`` into a new folder; its sha256."""
    content = b"".join(orjson.dumps(asdict(each), option=orjson.OPT_APPEND_NEWLINE) for each in rows)
    folder.mkdir(parents=True)
    (folder / OPINIONS_FILE).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def read_opinions(path: Path) -> Opinions:
    """A file of opinions, or the folder that it is in. Raises ``BadData`` naming the line and the field."""
    file = path / OPINIONS_FILE if path.is_dir() else path
    if not file.is_file():
        raise BadData(f"{file} is not there; expected a file of opinions")
    content = file.read_bytes()
    rows = tuple(_opinion(line, number) for number, line in enumerate(content.splitlines(), 1) if line.strip())
    return Opinions(rows, hashlib.sha256(content).hexdigest())


def _opinion(line: bytes, number: int) -> Opinion:
    try:
        values: Any = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadData(f"line {number}: is no JSON: {error}") from None
    names = [each.name for each in fields(Opinion)]
    if not isinstance(values, dict) or values.keys() != set(names):
        raise BadData(f"line {number}: expected an object with {', '.join(names)}")
    for name in names[:3]:
        if not isinstance(values[name], str):
            raise BadData(f"line {number}: {name} is {values[name]!r}; expected a text")
    for name in names[3:]:
        value = values[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise BadData(f"line {number}: {name} is {value!r}; expected a number 0 to 1")
    return Opinion(**values)


def examples_of_opinions(opinions: Opinions, *, held_out: float, seed: int) -> Examples:
    """Each pair with the response that wins more often as the chosen one, split by prompt into train and held-out.

    Pairs of equal texts or equal win rates are left out. Raises ``BadData`` where none is left.
    """
    found = [_example(each) for each in opinions.rows if _tells(each)]
    if not found:
        raise BadData(f"None of the {len(opinions.rows)} pairs holds two responses of which one wins more often.")
    left_out = len(opinions.rows) - len(found)
    notes = [f"{left_out} of {len(opinions.rows)} pairs were left out: equal win rates."] if left_out else []
    return split_by_prompt(found, held_out, seed, notes)


def _tells(each: Opinion) -> bool:
    return each.one.strip() != each.other.strip() and abs(each.one_wins - each.other_wins) > SMALLEST_LEAD


def _example(each: Opinion) -> Example:
    """``target`` is P(chosen ≻ rejected), which in a circle can be below ½ for the one that wins more often."""
    first = each.one_wins > each.other_wins
    chosen, rejected = (each.one, each.other) if first else (each.other, each.one)
    wins = (each.one_wins, each.other_wins) if first else (each.other_wins, each.one_wins)
    return Example(
        conversation=conversation_of(each.prompt),
        chosen=chosen,
        rejected=rejected,
        annotator="",
        target=each.chance if first else 1 - each.chance,
        wins=wins,
    )
