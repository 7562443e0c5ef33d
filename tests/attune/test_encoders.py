"""Texts to vectors, the store behind them, and that importing all this stays light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from attune.encoders import (
    STYLE_FEATURES,
    FileStore,
    StyleEncoder,
    content_digest,
    encode_cached,
    get_encoder,
    style_columns,
)
from attune.errors import ArtifactError, BadData
from attune.style_features import TRAITS, style_vector, trait_weights

DETAILED = "- **First**, heat the oven.\n- Then, for example, add 20 g of salt.\n- You'll love it!"


def feature(text: str, name: str) -> float:
    return float(style_vector(text)[STYLE_FEATURES.index(name)])


@pytest.mark.parametrize(
    ("name", "more", "less"),
    [
        ("log_words", "one two three four", "one two"),
        ("bullets", "- a b\n- c d", "a b. c d."),
        ("contractions", "It's what you'd expect.", "It is what one expects."),
        ("hedges", "Perhaps it might work.", "It works."),
        ("examples", "For example, take bread.", "Take bread."),
        ("warmth", "I hope you enjoy it, good luck!", "Proceed as described."),
        ("formal_words", "Furthermore, it is advisable to utilise both.", "Just use both."),
        ("casual_words", "Yeah, just grab some stuff.", "Obtain the material."),
        ("questions", "Why? How?", "This is why. That is how."),
        ("code", "Use `ls` here.", "Use it here."),
        ("numbers", "Add 20 g and 3 eggs.", "Add some and eggs."),
        ("imperatives", "Mix it. Bake it.", "The mixture goes in."),
        ("headings", "## Steps\nBake.", "Steps. Bake."),
    ],
)
def test_each_feature_rises_with_what_it_is_named_for(name: str, more: str, less: str) -> None:
    assert feature(more, name) > feature(less, name)


def test_hand_worked_features() -> None:
    assert feature("one two three", "log_words") == pytest.approx(np.log(4))
    assert feature(DETAILED, "bullets") == 1.0
    assert feature("What? Yes. No!", "questions") == pytest.approx(1 / 3)


@pytest.mark.parametrize("text", ["", " \n", "\x00", "…", "a" * 100_000, "😀" * 50, "`" * 999])
def test_odd_texts_give_finite_features(text: str) -> None:
    assert np.isfinite(style_vector(text)).all()


def test_traits_name_known_features_and_have_unit_length() -> None:
    assert {name for row in TRAITS.values() for name in row} <= set(STYLE_FEATURES)
    assert np.linalg.norm(trait_weights(), axis=1) == pytest.approx(np.ones(len(TRAITS)))


def test_batch_equals_single() -> None:
    texts = [("", "Short."), ("", DETAILED), ("p", "Short.")]
    vectors = get_encoder("style").encode(texts)
    assert np.array_equal(vectors[1], get_encoder("style").encode(texts[1:2])[0])
    assert np.array_equal(vectors[0], vectors[2])


def test_an_unknown_encoder_is_named() -> None:
    with pytest.raises(BadData, match="encoder 'style\\+nope': 'nope' is not known"):
        get_encoder("style+nope")


def test_where_the_style_features_lie() -> None:
    assert style_columns("minilm+style") == slice(384, 384 + len(STYLE_FEATURES))
    assert style_columns("style") == slice(0, len(STYLE_FEATURES))
    assert style_columns("minilm") is None
    assert style_columns("someone else's") is None


def test_each_distinct_text_is_encoded_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"a": ("p", "Same."), "b": ("p", "Same."), "c": ("p", "Other words.")}
    encoded: list[tuple[str, str]] = []
    original = StyleEncoder.encode

    def counted(self: StyleEncoder, batch: list[tuple[str, str]]) -> object:
        encoded.extend(batch)
        return original(self, batch)

    monkeypatch.setattr(StyleEncoder, "encode", counted)
    seen: list[object] = []
    first = encode_cached("style", texts, FileStore(tmp_path), seen.append)
    again = encode_cached("style", texts, FileStore(tmp_path))
    assert sorted(encoded) == [("p", "Other words."), ("p", "Same.")]
    assert seen == [{"stage": "encoding", "step": 2, "steps": 2}]
    assert np.array_equal(first["a"], first["b"])
    assert all(np.array_equal(first[key], again[key]) for key in texts)


def test_a_store_gives_back_what_was_put(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    digests = [content_digest("p", str(n)) for n in range(40)]
    store.put_many("style", {digest: np.full(3, n, np.float32) for n, digest in enumerate(digests)})
    store.put_many("style", {digests[0]: np.full(3, 7, np.float32)})
    found = store.get_many("style", [*digests, content_digest("p", "unknown")])
    assert found.keys() == set(digests)
    assert found[digests[0]].tolist() == [7, 7, 7]
    assert found[digests[39]].tolist() == [39, 39, 39]
    assert store.get_many("minilm", digests) == {}


def test_a_broken_store_says_what_to_do(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    digest = content_digest("p", "x")
    store.put_many("style", {digest: np.ones(2, np.float32)})
    next(tmp_path.rglob("*.npz")).write_bytes(b"not a zip")
    with pytest.raises(ArtifactError, match="delete it and the texts are encoded again"):
        store.get_many("style", [digest])


def test_importing_the_core_loads_no_torch() -> None:
    modules = "attune.encoders, attune.artifact, attune.select, attune.rewards.hybrid, attune.rewards.bradley_terry"
    code = (
        f"import sys, {modules}; assert not {{'torch', 'sentence_transformers', 'transformers'}} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_text_encoder_places_like_by_like() -> None:
    texts = [
        ("", "Bake the bread at 220 degrees."),
        ("", "Put the loaf into a very hot oven, and take your time over it, since patience pays."),
        ("", "The court dismissed the appeal."),
    ]
    encoder = get_encoder("minilm")
    vectors = encoder.encode(texts)
    assert vectors.shape == (3, encoder.dim)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-3)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
    assert encoder.encode(texts[:1])[0] @ vectors[0] > 0.999
    both = get_encoder("minilm+style").encode(texts)
    assert np.array_equal(both[:, 384:], get_encoder("style").encode(texts))
