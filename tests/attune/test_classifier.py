"""Language models as encoders, heads on them, students: what transformers loads gives the same numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from attune.causal import FOLDERS, causal_encoders
from attune.classifier import write_classifier
from attune.data import Judgment, Response, Snapshot
from attune.encoders import get_encoder
from attune.errors import ArtifactError, BadData
from attune.rewards import create, model_class
from attune.rewards.students import agreement_on, fit_student

TEXTS = [
    ("How do I boil eggs?", "Ten minutes."),
    ("Why is tea bitter?", "It was steeped for too long. " * 12),
    ("", ""),
    ("Ünïcödé?", "🥚 <|end|> <|user|>"),
]


def logits(folder: Path, texts: list[tuple[str, str]]) -> np.ndarray[Any, Any]:
    """As anybody would: with nothing but transformers."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.set_num_threads(1)
    model, loading = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert not loading["missing_keys"] and not loading["unexpected_keys"] and not loading["mismatched_keys"]
    assert model.config.num_labels == 1
    tokenizer = AutoTokenizer.from_pretrained(folder)
    chats = [[{"role": "user", "content": a}, {"role": "assistant", "content": b}] for a, b in texts]
    words = [tokenizer.apply_chat_template(chat, tokenize=False) for chat in chats]
    batch = tokenizer(words, add_special_tokens=False, truncation=True, padding=True, return_tensors="pt")
    with torch.no_grad():
        found: np.ndarray[Any, Any] = model(**batch).logits[:, 0].numpy()
    return found


@pytest.fixture
def gpt2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A randomly initialised GPT-2 in half precision, whose tokenizer has no pad token."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    words = ["<eos>", "<unk>", *"abcdefghijklmnopqrstuvwxyz", "eggs", "tea", "How", "user", "assistant", "."]
    spelled = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>"))
    spelled.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=spelled, eos_token="<eos>", unk_token="<unk>")
    tokenizer.chat_template = "{% for m in messages %}{{ m['role'] + ' ' + m['content'] + ' <eos> ' }}{% endfor %}"
    config = GPT2Config(
        vocab_size=len(words), n_positions=1024, n_embd=24, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    folder = tmp_path / "gpt2"
    GPT2LMHeadModel(config).half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    monkeypatch.setenv(FOLDERS, f"mine={folder}")
    return "mine"


def check(name: str, folder: Path) -> None:
    encoder = get_encoder(name)
    head = np.random.default_rng(0).normal(size=encoder.dim).astype(np.float32)
    folder.mkdir()
    write_classifier(causal_encoders()[name], head, folder, card="# A card\n", about={"version": "hybrid@1"})
    np.testing.assert_allclose(logits(folder, TEXTS), encoder.encode(TEXTS) @ head, atol=1e-3)
    assert (folder / "README.md").read_text() == "# A card\n"
    assert json.loads((folder / "attune.json").read_text()) == {"version": "hybrid@1"}
    assert not list(folder.glob("*.py")) and not list(folder.glob("*.bin"))
    weights = load_file(folder / "model.safetensors")
    assert {each.dtype.name for each in weights.values()} == {"float32"}
    assert not any(each.startswith("lm_head") for each in weights)


def test_the_tiny_model_with_a_head(tmp_path: Path) -> None:
    check("tiny", tmp_path / "model")


def test_another_architecture_without_a_pad_token(gpt2: str, tmp_path: Path) -> None:
    check(gpt2, tmp_path / "model")


def test_a_text_has_one_vector_whatever_stands_beside_it() -> None:
    encoder = get_encoder("tiny")
    alone = np.stack([encoder.encode([text])[0] for text in TEXTS])
    np.testing.assert_allclose(encoder.encode(TEXTS), alone, atol=1e-4)


def test_long_texts_are_cut_at_their_beginning(tmp_path: Path) -> None:
    long = [("How?", "egg " * 3000 + ending) for ending in ("It was good.", "Furthermore:\n- an example\n- another")]
    encoder = get_encoder("tiny")
    head = np.random.default_rng(1).normal(size=encoder.dim).astype(np.float32)
    (tmp_path / "model").mkdir()
    write_classifier(causal_encoders()["tiny"], head, tmp_path / "model", card="", about={})
    expected = encoder.encode(long) @ head
    assert abs(expected[0] - expected[1]) > 1e-3
    np.testing.assert_allclose(logits(tmp_path / "model", long), expected, atol=1e-3)


@pytest.mark.parametrize("named", ["tiny=/x", "Bad Name=/x", "nameonly", "style=/x"])
def test_wrong_names_of_language_models(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDERS, named)
    with pytest.raises(BadData, match="expected name=folder"):
        causal_encoders()


def test_what_is_no_language_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDERS, f"bert={tmp_path}")
    with pytest.raises(ArtifactError, match=r"config\.json"):
        get_encoder("bert")
    (tmp_path / "config.json").write_text('{"model_type": "bert", "hidden_size": 4}')
    with pytest.raises(ArtifactError, match="'bert' model; expected one of gpt2"):
        get_encoder("bert")


def small_snapshot(vectors: dict[str, np.ndarray[Any, Any]]) -> Snapshot:
    """Whoever judges likes what lies along the first axis."""
    rng = np.random.default_rng(0)
    responses = {key: Response(id=key, prompt=f"p{int(key) // 2}", text=f"text {key}") for key in vectors}
    judgments = []
    for number in range(600):
        a = str(2 * int(rng.integers(len(vectors) // 2)))
        b = str(int(a) + 1)
        better = vectors[a][0] + rng.normal() * 0.3 > vectors[b][0]
        judgments.append(Judgment(annotator=f"u{number % 12}", a=a, b=b, choice="a" if better else "b"))
    return Snapshot(responses, judgments)


@pytest.mark.parametrize("name", ["hybrid", "bradley_terry"])
def test_rewards_are_linear_in_the_vectors(name: str) -> None:
    rng = np.random.default_rng(3)
    vectors = {str(n): (rng.normal(size=192) + 5).astype(np.float32) for n in range(80)}
    model = create(name)
    model.fit(small_snapshot(vectors), vectors, encoder="tiny", seed=0)
    fresh = {f"new-{n}": (3 * rng.normal(size=192) + 5).astype(np.float32) for n in range(50)}
    items = model.items(list(fresh), fresh)
    context = model.items([str(n) for n in range(16)])
    from attune.rewards.base import Comparison

    latent = model.adapt([Comparison(context[2 * n], context[2 * n + 1], "a") for n in range(8)])
    tensors, config = model.state()
    stored = model_class(name).from_state(tensors, config)
    for each in (model.prior(), latent):
        head = stored.text_head(each)  # type: ignore[attr-defined]
        np.testing.assert_allclose(np.stack(list(fresh.values())) @ head, model.score(each, items).mean, atol=1e-3)


def test_other_encoders_have_no_head() -> None:
    rng = np.random.default_rng(3)
    vectors = {str(n): rng.normal(size=get_encoder("style").dim).astype(np.float32) for n in range(80)}
    model = create("bradley_terry")
    model.fit(small_snapshot(vectors), vectors, encoder="style", seed=0)
    with pytest.raises(BadData, match="not linear in the vectors of the encoder 'style'"):
        model.text_head(model.prior())  # type: ignore[attr-defined]


def test_a_student_learns_what_can_be_learnt_and_says_how_well() -> None:
    rng = np.random.default_rng(0)
    prompts = np.repeat(np.arange(60), 4)
    vectors = rng.normal(size=(240, 12)).astype(np.float32)
    truth = rng.normal(size=12)
    exact = fit_student(vectors, (vectors @ truth).astype(np.float32), prompts)
    assert (exact.agreement.same_order, exact.agreement.correlation) == (1.0, pytest.approx(1.0, abs=1e-3))
    noisy = fit_student(vectors, (vectors @ truth + rng.normal(size=240) * 3).astype(np.float32), prompts)
    assert 0.55 < noisy.agreement.same_order < 0.95
    nothing = fit_student(vectors, rng.normal(size=240).astype(np.float32), prompts)
    assert nothing.agreement.same_order < 0.68
    assert nothing.agreement.prompts == 12
    with pytest.raises(BadData, match="at least 10 prompts"):
        fit_student(vectors[:8], np.zeros(8, np.float32), prompts[:8])


def test_agreement_counts_pairs_of_one_prompt_that_differ() -> None:
    found = agreement_on(np.array([1, 2, 3, 9.0]), np.array([1, 3, 2, 0.0]), np.array([0, 0, 0, 1]))
    assert (found.prompts, found.pairs, found.same_order) == (1, 3, pytest.approx(2 / 3))
