"""How a web process gets the vector of a text: stored ones from the database, new ones once, from the scorer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from http.client import HTTPException

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from attune.encoders import VectorStore, get_encoder
from attune.errors import BadData
from personalization.errors import ScorerAway, ScorerBusy
from personalization.scorer.aside import aside
from personalization.scorer.connection import ScorerAnswer, ScorerConnections
from personalization.scorer.wire import DIM_HEADER, Array, Text, pack_texts, unpack_vectors

TEXTS_PER_REQUEST = 256


def vectors_for(*, encoder: str, texts: Mapping[str, Text], store: VectorStore) -> tuple[dict[str, Array], set[str]]:
    """Vectors of texts by their digest, and the digests that had to be encoded for it (and are stored now).

    Raises ``ScorerAway`` or ``ScorerBusy`` where a text is new and cannot be encoded; what was encoded before is kept.
    """
    vectors = dict(store.get_many(encoder, list(texts)))
    missing = [digest for digest in texts if digest not in vectors]
    for start in range(0, len(missing), TEXTS_PER_REQUEST):
        chunk = missing[start : start + TEXTS_PER_REQUEST]
        fresh = dict(zip(chunk, _encode(encoder, [texts[digest] for digest in chunk]), strict=True))
        store.put_many(encoder, fresh)
        vectors |= fresh
    return vectors, set(missing)


def _encode(encoder: str, texts: list[Text]) -> Array:
    """One request to the scorer, (N, D)."""
    if not settings.SCORER_URL:
        raise ScorerAway(
            ngettext(
                "%(n)s of the texts is new and no scorer is configured to encode it: set SCORER_URL, or score responses that the project knows.",
                "%(n)s of the texts are new and no scorer is configured to encode them: set SCORER_URL, or score responses that the project knows.",
                len(texts),
            )
            % {"n": len(texts)}
        )
    try:
        with aside():
            answer = connections(settings.SCORER_URL).post("/encode", pack_texts(encoder, texts))
    except (OSError, HTTPException) as error:
        why = {"url": settings.SCORER_URL, "error": str(error) or type(error).__name__}
        raise ScorerAway(_("The scorer at %(url)s does not answer: %(error)s.") % why) from error
    if answer.status == 429:
        raise ScorerBusy(_("The scorer has too much to do."), retry_after=int(answer.headers.get("retry-after", "1")))
    if answer.status != 200:
        known = {"status": answer.status, "text": answer.body.decode(errors="replace")[:200]}
        raise ScorerAway(_("The scorer answered %(status)s: %(text)s") % known)
    return _checked(encoder, answer, len(texts))


def _checked(encoder: str, answer: ScorerAnswer, count: int) -> Array:
    dim = get_encoder(encoder).dim
    if (theirs := answer.headers.get(DIM_HEADER)) != str(dim):
        known = {"encoder": encoder, "theirs": theirs, "ours": dim}
        raise ScorerAway(
            _("The scorer's %(encoder)s has %(theirs)s numbers a text; here it has %(ours)s. Update the scorer.")
            % known
        )
    try:
        return unpack_vectors(answer.body, count, dim)
    except BadData as error:
        raise ScorerAway(_("The scorer's answer can't be read: %(error)s.") % {"error": error}) from None


@lru_cache(maxsize=4)
def connections(url: str) -> ScorerConnections:
    """One pool per process and address."""
    return ScorerConnections(url)
