"""What a policy run can be told, checked when it is put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from attune.direction import ASPECTS
from attune.encoders import DEFAULT_ENCODER, get_encoder
from attune.errors import BadData
from attune.fspo.describing import Describe
from attune.fspo.tokens import TokenEncoder
from attune.policies.tiny import TINY

Adapter = Literal["lora", "full"]
Rationales = Literal["off", "nll", "published", "told"]
Profiles = Literal["off", "told"]
Order = Literal["random", "curriculum"]

METHODS = (
    *("dpo", "ipo", "ipo_sum", "cdpo", "rdpo", "hinge", "sppo", "inpo", "dno", "soft", "degree"),
    *("vpo", "simpo", "orpo", "cpl", "kto", "listwise"),
)
"""The names in ``attune.policies.losses``, known here without torch; a test holds the two together."""
NASH_METHODS = ("inpo", "dno", "sppo")
"""Those that learn from win rates against the policy's own samples."""
USUAL_BETA = 0.1
"""β of the losses: how near a policy stays to its reference. In self-play the papers' η."""
USUAL_ANCHOR = 0.3
"""τ/η of INPO: how strongly a policy is drawn to where self-play began, 0 to 1."""
USUAL_REJECTION_BETA = 0.5
"""β of rejection sampling, in units of the reward: the greater, the more responses are accepted."""


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """One run's settings. Raises ``BadData`` naming the field, its value and what was expected."""

    base: str = TINY  # "tiny", a Hugging Face name, or a folder
    revision: str = ""  # the commit of a Hugging Face name
    method: str = "dpo"
    options: Mapping[str, float] = field(default_factory=dict)  # of attune.policies.losses.Options
    adapter: Adapter = "lora"
    rank: int = 16
    epochs: int = 3
    batch: int = 8  # pairs a step and process
    accumulate: int = 1
    learning_rate: float = 1e-3
    max_length: int = 1024  # tokens of prompt and response
    recompute: bool = False  # compute activations again on the way back: much less memory, a quarter to half slower
    chat_template: str = ""  # "plain" where the tokenizer has none
    rationales: Rationales = "off"
    rationale_weight: float = 0.2  # γ
    profiles: Profiles = "off"  # "told": what people like, in words, is told to the policy as reasons are
    told: float = 1.0  # with something told: questions that the policy answers again, for each judgment
    told_most: int = 512  # questions in all
    told_weight: float = 1.0  # what a pair of its own answers weighs beside a judgment
    foretold: float = 0.0  # pairs that an annotator has not judged, as a reward model foretells them, for each judgment
    foretold_most: int = 512  # pairs in all
    encoder: str = DEFAULT_ENCODER  # of that reward model
    span_weight: float = 1.0  # of tokens in a marked span; others have 1
    order: Order = "random"
    shots: int = 0  # earlier judgments of the same annotator that a prompt may show (FSPO); 0 is off
    directions: int = 0  # drawn for each pair; they then stand in the prompt (DPA); 0 is off
    describe: Describe = "off"  # with shots: the reader in words, as given or as the policy writes them (FSPO)
    describe_weight: float = 0.2  # of the description's mean-token loss, where it is written
    aspects: Sequence[str] = ()  # of attune.direction.ASPECTS, along which directions are drawn; empty: all
    maxmin: float = 0.0  # step size of the group weights; 0 is off
    momentum: float = 0.0  # extrapolation beyond the adapter that the run started from
    held_out: float = 0.15  # share of prompts kept aside
    patience: int = 2  # evaluations below the best before it stops
    checkpoint_every: int = 25  # steps
    samples: int = 4  # held-out prompts answered before and after
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise BadData(f"{name} is {getattr(self, name)!r}; expected {' or '.join(map(repr, allowed))}")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            whole = name in _WHOLE
            kind = int if whole else int | float
            if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
                raise BadData(f"{name} is {value!r}; expected {'an integer' if whole else 'a number'} {low} to {high}")
        if not isinstance(self.recompute, bool):
            raise BadData(f"recompute is {self.recompute!r}; expected true or false")
        if self.describe != "off" and not self.shots:
            raise BadData(f"describe is {self.describe!r}, which needs shots: judgments that the reader is known by")
        if isinstance(self.aspects, str) or not set(self.aspects) <= set(ASPECTS):
            raise BadData(f"aspects is {self.aspects!r}; expected a list of some of {', '.join(ASPECTS)}")
        if not isinstance(self.encoder, str) or (self.foretold and get_encoder(self.encoder).name == TokenEncoder.name):
            raise BadData(f"encoder is {self.encoder!r}; expected the name of one that reward models of items read")
        if self.foretold and (self.shots or self.directions):
            raise BadData("foretold pairs go neither with shots nor with directions; set foretold to 0")
        if self.span_weight != 1.0 and self.method == "orpo":
            raise BadData("span_weight does not go with orpo, whose odds are of the mean token; leave it at 1")
        if self.directions and (self.shots or self.method in ("kto", "listwise")):
            raise BadData("directions order pairs, and go neither with shots nor with kto and listwise")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> PolicySettings:
        """Settings from JSON. Raises ``BadData`` for an unknown name."""
        known = {each.name for each in fields(cls)}
        if unknown := sorted(values.keys() - known):
            raise BadData(f"setting {unknown[0]!r} is not known; expected one of {', '.join(sorted(known))}")
        return cls(**values)

    def as_mapping(self) -> dict[str, Any]:
        """The inverse of ``from_mapping``."""
        return asdict(self) | {"options": dict(self.options), "aspects": list(self.aspects)}


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "method": METHODS,
    "adapter": get_args(Adapter),
    "rationales": get_args(Rationales),
    "profiles": get_args(Profiles),
    "order": get_args(Order),
    "describe": get_args(Describe),
    "chat_template": ("", "plain"),
}
_RANGES: Mapping[str, tuple[float, float]] = {
    "rank": (1, 1024),
    "epochs": (1, 100),
    "batch": (1, 4096),
    "accumulate": (1, 4096),
    "learning_rate": (1e-8, 1.0),
    "max_length": (16, 1_000_000),
    "rationale_weight": (0.0, 100.0),
    "told": (0.0, 20.0),
    "told_most": (1, 1_000_000),
    "told_weight": (0.0, 100.0),
    "foretold": (0.0, 20.0),
    "foretold_most": (1, 1_000_000),
    "span_weight": (0.0, 100.0),
    "shots": (0, 32),
    "directions": (0, 64),
    "describe_weight": (0.0, 100.0),
    "maxmin": (0.0, 10.0),
    "momentum": (0.0, 10.0),
    "held_out": (0.0, 0.5),
    "patience": (1, 1000),
    "checkpoint_every": (1, 1_000_000),
    "samples": (0, 64),
    "seed": (0, 2**31 - 1),
}
_WHOLE = frozenset(
    (
        "rank",
        "epochs",
        "batch",
        "accumulate",
        "max_length",
        "told_most",
        "foretold_most",
        "shots",
        "directions",
        "patience",
        "checkpoint_every",
        "samples",
        "seed",
    )
)
