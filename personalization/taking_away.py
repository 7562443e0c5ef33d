"""Somebody's reward model as a folder that ``AutoModelForSequenceClassification`` loads, kept as a zip.

Exact where rewards are linear in a language model's last state; else a student on such a model, whose agreement is measured
and written into its card; else refused, with what to choose instead.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson
from django.utils.translation import gettext as _
from numpy.typing import NDArray

import attune
from annotator.errors import Invalid
from annotator.exports.datasets import zip_folder
from annotator.exports.keeping import Kept, kept_file
from annotator.exports.options import Tally
from annotator.models import Response
from attune.causal import CausalEncoder, causal_encoders
from attune.classifier import write_classifier
from attune.encoders import get_encoder
from attune.errors import AttuneError, BadData
from attune.rewards.base import Latent, RewardModel
from attune.rewards.linear import LinearReward
from attune.rewards.students import Agreement, agreement_on, fit_student
from personalization.items import items_of_responses, load, usable
from personalization.scorer.client import vectors_for
from personalization.scoring import version_for
from personalization.taking_away_card import card_of
from personalization.voices import Asker, Population, Voice, one_voice, voices_of
from training.serving import ServedVersion
from training.vectors import PostgresVectorStore

Array = NDArray[np.float32]
MOST_TEXTS = 4_000
"""Responses of the project that a student learns from and agreement is measured on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Whose model: an annotator's by reference, a prototype's by number, else everybody's. Under which version (None: live),
    and as a student of which language model (None: exactly)."""

    user: str | None = None
    prototype: int | None = None
    model: str | None = None
    student: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """The zip, its name, and what its card says."""

    kept: Kept
    name: str
    about: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Known:
    """Responses of the project whose rewards are known: their vectors (N, D), rewards (N,) and prompts (N,)."""

    vectors: Array
    rewards: Array
    prompts: NDArray[np.int64]


def take_away(*, asker: Asker, wanted: Wanted) -> Taken:
    """The model as a zip, made now unless it is there.

    Raises ``Invalid`` where it can't be had exactly and no student is wanted, ``NotFound``, ``Forbidden``, ``NoModel``,
    ``ModelUnusable``, and ``ScorerAway`` or ``ScorerBusy`` where a student's texts can't be encoded now.
    """
    served = version_for(asker.project_id, wanted.model)
    voice = _voice(asker, served, wanted)
    base = _base_of(served, wanted.student)
    head, facts = _exact(asker, served, voice) if wanted.student is None else _student(asker, served, voice, base)
    about = {
        "project": asker.access.project.slug,
        "version": served.label,
        "artifact": served.digest,
        "whose": voice.name,
        "n_judgments": voice.n_judgments,
        "simulated": voice.simulated,
        "base": base.name,
        "attune": attune.__version__,
        **facts,
    }

    def write(out: BinaryIO) -> Tally:
        with tempfile.TemporaryDirectory(prefix="attune-classifier-") as work, usable(served):
            folder = Path(work) / "model"
            folder.mkdir()
            write_classifier(base.folder, head, folder, card=card_of(about), about=about)
            zip_folder(folder, out)
        return Tally(rows=1)

    made_of = ["classifier", about, hashlib.sha256(head.tobytes()).hexdigest(), _fingerprint(base.folder)]
    key = hashlib.sha256(orjson.dumps(made_of, option=orjson.OPT_SORT_KEYS)).hexdigest()[:40]
    kept = kept_file(project=asker.access.project, key=key, ending="zip", write=write)
    return Taken(kept, f"{asker.access.project.slug}-{served.label.replace('@', '-')}-{key[:8]}.zip", about)


def why_not_exact(served: ServedVersion) -> str:
    """In words; empty where the model can be taken away exactly."""
    model = load(served)
    if served.encoder not in causal_encoders():
        return _(
            "%(model)s looks at texts through “%(encoder)s”, which no model of transformers’ own carries: it counts words or averages a sentence encoder."
        ) % {"model": served.label, "encoder": served.encoder}
    if not isinstance(model, LinearReward):
        return _("Rewards of %(model)s are not linear in what it sees of a text, so no linear head gives them.") % {
            "model": served.label
        }
    try:
        model.text_head(model.prior())
    except BadData as error:
        why = {"model": served.label, "error": error}
        return _("%(model)s can’t be carried by a linear head: %(error)s.") % why
    return ""


def students() -> list[str]:
    """Language models that a student can be made of."""
    return list(causal_encoders())


def _voice(asker: Asker, served: ServedVersion, wanted: Wanted) -> Voice:
    if wanted.prototype is None:
        return one_voice(asker=asker, served=served, user=wanted.user)
    if wanted.user is not None:
        raise Invalid(_("Name a user or a prototype, not both."), fields={"prototype": _("user is given as well")})
    voices = voices_of(asker=asker, served=served, population=Population(over="prototypes"))
    if not 1 <= wanted.prototype <= len(voices):
        raise Invalid(
            _("%(model)s has prototypes 1 to %(n)s.") % {"model": served.label, "n": len(voices)},
            fields={
                "prototype": _("is %(value)s; expected %(low)s to %(high)s")
                % {"value": wanted.prototype, "low": 1, "high": len(voices)}
            },
        )
    return voices[wanted.prototype - 1]


def _base_of(served: ServedVersion, student: str | None) -> CausalEncoder:
    """The language model that carries the head."""
    if student is None:
        if why := why_not_exact(served):
            raise Invalid(
                _(
                    "%(why)s Ask for a student (%(students)s), whose agreement is measured, or train a run on the encoder %(students)s, which can be taken away exactly."
                )
                % {"why": why, "students": _(" or ").join(students())},
                fields={"student": _("is needed for this model")},
            )
        student = served.encoder
    if student not in students():
        raise Invalid(
            _("There is no language model “%(student)s” here.") % {"student": student},
            fields={
                "student": _("is “%(value)s”; expected %(known)s")
                % {"value": student[:40], "known": _(" or ").join(students())}
            },
        )
    found = get_encoder(student)
    assert isinstance(found, CausalEncoder)
    return found


def _exact(asker: Asker, served: ServedVersion, voice: Voice) -> tuple[Array, dict[str, Any]]:
    model = load(served)
    assert isinstance(model, LinearReward)
    head = model.text_head(voice.latent)
    known = _known(asker, served, model, voice.latent, encoder=served.encoder)
    agreement = agreement_on(known.vectors @ head, known.rewards, known.prompts) if known else None
    return head, {"exact": True, "agreement_on_known_responses": _plain(agreement)}


def _student(asker: Asker, served: ServedVersion, voice: Voice, base: CausalEncoder) -> tuple[Array, dict[str, Any]]:
    known = _known(asker, served, load(served), voice.latent, encoder=base.name, encode=True)
    try:
        if known is None:
            raise BadData(_("the model knows no responses of this project that a student could learn from"))
        student = fit_student(known.vectors, known.rewards, known.prompts)
    except AttuneError as error:
        raise Invalid(
            _("No student can be made: %(error)s.") % {"error": error}, fields={"student": str(error)}
        ) from error
    return student.head, {"exact": False, "agreement_on_held_out_prompts": _plain(student.agreement)}


def _known(
    asker: Asker, served: ServedVersion, model: RewardModel, latent: Latent, *, encoder: str, encode: bool = False
) -> _Known | None:
    """With ``encode`` vectors that are not there are made; without, their responses are left out."""
    rows = Response.objects.filter(prompt__project=asker.project_id).order_by("prompt_id", "pk")
    found = list(rows.values_list("pk", "digest", "prompt_id", "prompt__text", "text")[:MOST_TEXTS])
    items = items_of_responses(model=model, served=served, ids=[pk for pk, *_ in found])
    texts = {digest: (prompt, text) for pk, digest, _, prompt, text in found if pk in items}
    store = PostgresVectorStore()
    if encode:
        vectors, _ = vectors_for(encoder=encoder, texts=texts, store=store)
    else:
        vectors = store.get_many(encoder, list(texts))
    kept = [
        (items[pk], vectors[digest], prompt) for pk, digest, prompt, *_ in found if pk in items and digest in vectors
    ]
    if not kept:
        return None
    with usable(served):
        rewards = model.score(latent, np.stack([item for item, _, _ in kept])).mean
    return _Known(np.stack([vector for _, vector, _ in kept]), rewards, np.array([prompt for _, _, prompt in kept]))


def _plain(agreement: Agreement | None) -> dict[str, float] | None:
    if agreement is None:
        return None
    return {name: round(value, 4) for name, value in asdict(agreement).items() if np.isfinite(value)}


def _fingerprint(folder: Path) -> list[tuple[str, int, int]]:
    """Of the base's files, without reading them."""
    return sorted((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in folder.iterdir())
