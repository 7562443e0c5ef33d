"""Episodes as tensors: the shots once, each target branching off where its own shots end. Needs torch.

A branch's tokens see the shots before the target and themselves, and nothing of later shots or other branches, so that one pass
predicts after 0, 1, 2 … shots at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from attune.fspo.episodes import Episode
from attune.fspo.tokens import Pieces


@dataclass(frozen=True, slots=True)
class Packed:
    """E episodes, a row each: ids, positions (E, T), and what a token sees: the first ``before`` tokens, and from ``start`` to itself.

    ``source`` (S,) places in all rows, ``goal`` (S,) tokens that are predicted there, ``text`` (S,) the number of their text: 2·target
    for the preferred and 2·target + 1 for the other; after those of all targets come the ``written`` descriptions. What a target
    counts in the mean over episodes is its ``share`` (targets,), a description's is ``written_share`` (written,).
    """

    ids: Tensor
    positions: Tensor
    before: Tensor
    start: Tensor
    source: Tensor
    goal: Tensor
    text: Tensor
    share: Tensor
    written_share: Tensor

    @property
    def targets(self) -> int:
        return len(self.share)

    @property
    def written(self) -> int:
        return len(self.written_share)

    def visible(self) -> Tensor:
        """What each token sees, (E, 1, T, T)."""
        place = torch.arange(self.ids.shape[1], device=self.ids.device)
        own = (place >= self.start[:, :, None]) & (place <= place[:, None])
        return (own | (place < self.before[:, :, None]))[:, None]

    def to(self, device: torch.device) -> Packed:
        """The same there."""
        return Packed(*(getattr(self, each.name).to(device) for each in fields(self)))


def pack(episode: Episode, pieces: Pieces, *, writes: bool = False) -> Packed:
    """One episode. What is known of the annotator stands before each target's question; where the model ``writes``, a branch of its
    own asks for it after the target's shots."""
    shots = [pieces.shot(each.preferred, each.other) for each in episode.pairs[: max(episode.targets)]]
    ids = list(pieces.opening(shots))
    ends = np.cumsum([len(pieces.opening(())), *map(len, shots)]).tolist()  # where k shots end
    positions, before, start = list(range(len(ids))), [0] * len(ids), [0] * len(ids)
    source: list[int] = []
    goal: list[int] = []
    text: list[int] = []
    leaves = _leaves(episode, pieces, writes=writes)
    for number, (target, asked, said) in enumerate(leaves):
        tokens, begins = [*asked, *said[:-1]], len(ids)
        ids += tokens
        positions += range(ends[target], ends[target] + len(tokens))
        before += [ends[target]] * len(tokens)
        start += [begins] * len(tokens)
        source += range(begins + len(asked) - 1, begins + len(tokens))
        goal += said
        text += [number] * len(said)
    targets = len(episode.targets)
    written = len(leaves) - 2 * targets
    return Packed(
        torch.tensor([ids]),
        torch.tensor([positions]),
        torch.tensor([before]),
        torch.tensor([start]),
        torch.tensor(source),
        torch.tensor(goal),
        torch.tensor(text),
        share=torch.full((targets,), 1 / targets),
        written_share=torch.full((written,), 1 / max(1, written)),
    )


def together(packed: Sequence[Packed], of: int) -> Packed:
    """Episodes side by side, filled up to the longest, as so many ``of`` a step."""
    length = max(each.ids.shape[1] for each in packed)

    def rows(name: str) -> Tensor:
        return pad_sequence([getattr(each, name)[0] for each in packed], batch_first=True)

    padded = torch.stack([torch.arange(length) >= each.ids.shape[1] for each in packed])
    targets = np.cumsum([0, *(each.targets for each in packed)]).tolist()
    written = np.cumsum([2 * targets[-1], *(each.written for each in packed)]).tolist()
    return Packed(
        rows("ids"),
        rows("positions"),
        rows("before"),
        # What fills up sees itself: a row of a mask in which nothing is seen would be no number.
        torch.where(padded, torch.arange(length), rows("start")),
        torch.cat([each.source + place * length for place, each in enumerate(packed)]),
        torch.cat([each.goal for each in packed]),
        torch.cat([_renumbered(each, targets[n], written[n]) for n, each in enumerate(packed)]),
        torch.cat([each.share for each in packed]) / of,
        torch.cat([each.written_share for each in packed]) / of,
    )


def _renumbered(packed: Packed, first_target: int, first_written: int) -> Tensor:
    """``text`` among the texts of several episodes."""
    pairs = 2 * packed.targets
    return torch.where(packed.text < pairs, packed.text + 2 * first_target, packed.text - pairs + first_written)


def _leaves(episode: Episode, pieces: Pieces, *, writes: bool) -> list[tuple[int, list[int], list[int]]]:
    """What branches off: after how many shots, what is asked there, and what is said. Targets' pairs first, then descriptions."""
    known = episode.descriptions or ("",) * len(episode.targets)
    found = []
    for target, description in zip(episode.targets, known, strict=True):
        for answer in (episode.pairs[target].preferred, episode.pairs[target].other):
            asked, said = pieces.closing(answer)
            found.append((target, [*pieces.reader(description), *asked], said))
    if writes:  # without a shot nobody can know
        found += [(t, *pieces.describing(each)) for t, each in zip(episode.targets, known, strict=True) if t and each]
    return found
