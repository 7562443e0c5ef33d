"""Items: the rows of numbers by which a model knows responses; from the model, from stored vectors, or newly encoded."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import numpy as np
from django.db.models import OuterRef, Subquery
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from annotator.models import Response
from annotator.statements import Statement
from attune.errors import AttuneError, UnknownResponse
from attune.rewards.base import RewardModel
from personalization.errors import ModelUnusable
from personalization.scorer.client import vectors_for
from personalization.scorer.wire import Text
from training.errors import StoreError
from training.models import TextVector
from training.serving import ServedVersion, load_model
from training.vectors import PostgresVectorStore

Array = NDArray[np.float32]

_OWN = Statement("""
SELECT r.digest, r.id::text FROM annotator_response r JOIN annotator_prompt p ON p.id = r.prompt_id
WHERE p.project_id = %(project)s AND r.digest = ANY(%(digests)s::text[]) ORDER BY r.id DESC
""")


@contextmanager
def usable(served: ServedVersion) -> Iterator[None]:
    """Turn the core's and the storage's errors about a model into ``ModelUnusable``, which says which model it is."""
    try:
        yield
    except (AttuneError, StoreError) as error:
        why = {"model": served.label, "error": error}
        raise ModelUnusable(_("The model %(model)s can't be used: %(error)s") % why) from error


def load(served: ServedVersion) -> RewardModel:
    """The model behind a version. Raises ``ModelUnusable`` where its files are missing or don't fit their encoder."""
    with usable(served):
        return load_model(served)


def items_of_responses(*, model: RewardModel, served: ServedVersion, ids: Collection[int]) -> dict[int, Array]:
    """Items, each (K,), of a project's responses: the model's own, else from stored vectors. The others are left out.

    No query where the model knows all of them, else one. Encodes nothing.
    """
    wanted = list(ids)
    keys = [str(each) for each in wanted]
    with usable(served):
        known = model.knows(keys)
        own = [pk for pk, knows in zip(wanted, known, strict=True) if knows]
        items = dict(zip(own, model.items([str(pk) for pk in own]), strict=True)) if own else {}
        if len(own) < len(wanted):
            items |= _items_from_vectors(model, [pk for pk, knows in zip(wanted, known, strict=True) if not knows])
    return items


def items_by_row(*, model: RewardModel, served: ServedVersion, ids: Sequence[int]) -> tuple[Array, NDArray[np.bool_]]:
    """``items_of_responses`` as rows (N, K), one for each of ``ids``, and which of them mean anything, (N,)."""
    keys = [str(each) for each in ids]
    with usable(served), suppress(UnknownResponse):
        return model.items(keys), np.ones(len(ids), np.bool_)
    items = items_of_responses(model=model, served=served, ids=set(ids))
    nothing = np.zeros_like(next(iter(items.values()), np.zeros(0, np.float32)))
    return np.stack([items.get(each, nothing) for each in ids]), np.array([each in items for each in ids], np.bool_)


def _items_from_vectors(model: RewardModel, ids: Sequence[int]) -> dict[int, Array]:
    stored = TextVector.objects.filter(encoder=model.encoder, digest=OuterRef("digest")).values("vector")
    rows = Response.objects.filter(pk__in=ids).annotate(vector=Subquery(stored)).values_list("pk", "vector")
    features = {str(pk): np.frombuffer(vector, "<f4") for pk, vector in rows if vector is not None}
    return {int(key): row for key, row in zip(features, model.items(list(features), features), strict=True)}


def items_of_texts(
    *, model: RewardModel, served: ServedVersion, project_id: int, texts: Mapping[str, Text]
) -> dict[str, tuple[Array, bool]]:
    """Items, each (K,), of texts by their digest, with whether no encoding was needed.

    A text that is a response of the project has the model's own item; others go by their vector, encoded if new.
    Raises ``ScorerAway`` or ``ScorerBusy`` where that can't be done now, ``ModelUnusable`` where the model can't be used.
    """
    with usable(served):
        own = _own_ids(model, project_id, list(texts))
        items = {digest: (row, True) for digest, row in zip(own, model.items(list(own.values())), strict=True)}
    others = {digest: text for digest, text in texts.items() if digest not in own}
    if not others:
        return items
    vectors, encoded = vectors_for(encoder=model.encoder, texts=others, store=PostgresVectorStore())
    with usable(served):
        rows = model.items(list(others), vectors)
    return items | {digest: (row, digest not in encoded) for digest, row in zip(others, rows, strict=True)}


def _own_ids(model: RewardModel, project_id: int, digests: Sequence[str]) -> dict[str, str]:
    """Digest to response id, for the texts that the model has an item of its own for. Of equal texts the oldest counts.

    The many values of an IN would cost more than the search for them.
    """
    rows = _OWN.run({"project": project_id, "digests": list(digests)})
    known = model.knows([key for _, key in rows])
    return {digest: key for (digest, key), knows in zip(rows, known, strict=True) if knows}
