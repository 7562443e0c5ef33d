"""A reward model is taken away over HTTP, and gives the API's scores with nothing but transformers, and inside TRL."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from annotator.models import AuditEntry, Project, Response, Role
from attune.client import ApiError, Client
from attune.commands.take_away import export_model
from tests.attune.test_classifier import logits
from tests.factories import ThreePeople, login, make_member, make_people
from tests.personalization.conftest import Api, World
from tests.training.makers import make_tasteful_project, make_version
from training.registry import promote

PROMPT = "How do I descale a kettle?"
ANSWERS = [
    "Vinegar.",
    "There are several ways to go about this; to begin with, you may wish to consider how much time you have today.",
    "Half vinegar, half water. Boil it, wait an hour, then rinse it twice. 🫖",
]


@pytest.fixture
def fitted(transactional_db: None) -> ThreePeople:
    """A project with a hybrid that was really fitted on the tiny language model's states."""
    project = make_tasteful_project(annotators=10, prompts=24, each=20)
    Project.objects.filter(pk=project.pk).update(encoder="tiny")
    project.refresh_from_db()
    promote(version=make_version(project, model_name="hybrid"))
    return make_people(project)


@pytest.fixture
def client(fitted: ThreePeople, live_server: LiveServer, scorer: str) -> Iterator[Client]:
    with Client(live_server.url, Api(fitted.owner).token) as client:
        yield client


@pytest.mark.timeout(300)
def test_exact_for_a_person_and_for_everybody(fitted: ThreePeople, client: Client, tmp_path: Path) -> None:
    slug = fitted.project.slug
    for user in ("sim-0", "sim-3", None):
        folder = tmp_path / str(user)
        about = client.take_away(slug, folder, user=user)
        asked = client.score(slug, PROMPT, ANSWERS, user=user)
        np.testing.assert_allclose(logits(folder, [(PROMPT, each) for each in ANSWERS]), asked.scores, atol=1e-3)
        assert (about["exact"], about["whose"], about["n_judgments"]) == (True, user, asked.n_judgments)
        assert about["version"] == asked.model
        card = (folder / "README.md").read_text()
        assert "Exact: the head is this person" in card
        assert ("(simulated)" in card) == (user is not None)
    personal = [json.loads((tmp_path / name / "attune.json").read_text()) for name in ("sim-0", "sim-3")]
    assert personal[0]["agreement_on_known_responses"]["pairs"] == 24
    one, other = (logits(tmp_path / name, [(PROMPT, each) for each in ANSWERS]) for name in ("sim-0", "sim-3"))
    assert np.abs(one - other).max() > 0.01, "two people, two models"
    assert AuditEntry.objects.filter(what="reward model taken away").count() == 3


@pytest.fixture
def _foreign_warnings() -> Iterator[None]:
    """TRL's and torch's own are not ours to mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("_foreign_warnings")
def test_trl_takes_the_folder_as_it_is(fitted: ThreePeople, client: Client, tmp_path: Path) -> None:
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer, RewardConfig, RewardTrainer

    from attune.policies.tiny import tiny_folder

    torch.set_num_threads(1)
    slug, folder = fitted.project.slug, tmp_path / "reward"
    client.take_away(slug, folder, user="sim-0")
    seen: list[tuple[Any, Any]] = []

    def watch(prompts: list[Any], completions: list[Any], **_: Any) -> list[float]:
        seen.append((prompts, completions))
        return [0.0] * len(completions)

    usual: dict[str, Any] = {"use_cpu": True, "bf16": False, "gradient_checkpointing": False, "report_to": "none"}
    usual |= {"save_strategy": "no", "disable_tqdm": True, "logging_steps": 1, "max_steps": 1}
    question = [{"role": "user", "content": PROMPT}]
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(tiny_folder(), dtype=torch.float32),
        processing_class=AutoTokenizer.from_pretrained(tiny_folder(), padding_side="left"),
        reward_funcs=[str(folder), watch],
        args=GRPOConfig(
            output_dir=str(tmp_path / "grpo"),
            per_device_train_batch_size=2,
            num_generations=2,
            max_completion_length=16,
            **usual,
        ),
        train_dataset=Dataset.from_list([{"prompt": question}] * 2),
    )
    trainer.train()
    ((prompts, completions),) = seen
    texts = [each[0]["content"] for each in completions]
    asked = client.score(slug, PROMPT, texts, user="sim-0")
    assert prompts[0] == question
    logged = trainer.state.log_history[0]
    assert logged["rewards/reward/mean"] == pytest.approx(np.mean(asked.scores), abs=1e-3)

    pair = {"chosen": [*question, {"role": "assistant", "content": ANSWERS[0]}]}
    pair["rejected"] = [*question, {"role": "assistant", "content": ANSWERS[1]}]
    further = RewardTrainer(
        model=str(folder),
        args=RewardConfig(output_dir=str(tmp_path / "rm"), per_device_train_batch_size=2, max_length=512, **usual),
        train_dataset=Dataset.from_list([pair] * 2),
    )
    further.train()
    own = client.score(slug, PROMPT, ANSWERS[:2], user="sim-0").scores
    expected = np.log1p(np.exp(-(own[0] - own[1])))
    assert further.state.log_history[0]["loss"] == pytest.approx(expected, abs=1e-2)


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_carried_is_refused_or_imitated(
    world: World, live_server: LiveServer, scorer: str, tmp_path: Path
) -> None:
    slug, ref = world.project.slug, world.judge.ref
    with Client(live_server.url, Api(world.people.owner).token) as client:
        with pytest.raises(ApiError, match="counts words or averages") as refused:
            client.take_away(slug, tmp_path / "exact", user=ref)
        assert (refused.value.status, set(refused.value.fields)) == (422, {"student"})
        assert "train a run on the encoder tiny" in refused.value.detail
        with pytest.raises(ApiError, match="at least 10 prompts"):
            client.take_away(slug, tmp_path / "student", user=ref, student="tiny")
        for wrong, field in (({"student": "gpt-7"}, "student"), ({"prototype": 1}, "population.over")):
            with pytest.raises(ApiError) as error:
                client.take_away(slug, tmp_path / "x", **{"student": "tiny"} | wrong)
            assert (error.value.status, set(error.value.fields)) == (422, {field})
        for name in ({"user": "nobody"}, {"model": "hybrid@99"}):
            with pytest.raises(ApiError) as error:
                client.take_away(slug, tmp_path / "x", student="tiny", **name)
            assert error.value.status == 404
    assert list(tmp_path.glob("*")) == [], "nothing half-made is left"


@pytest.mark.timeout(300)
@pytest.mark.django_db(transaction=True)
def test_a_student_says_how_well_it_agrees(live_server: LiveServer, scorer: str, tmp_path: Path) -> None:
    project = make_tasteful_project(annotators=10, prompts=60, each=40)
    promote(version=make_version(project, model_name="hybrid"))
    people = make_people(project)
    token = Api(people.owner).token
    arguments = ["--url", live_server.url, "--token", token, "--project", project.slug, "--user", "sim-0"]
    folder = tmp_path / "student"
    done = CliRunner().invoke(export_model, [*arguments, "--student", "tiny", "--out", str(folder)])
    assert done.exit_code == 0, done.output
    about = json.loads(done.stdout)
    held_out = about["agreement_on_held_out_prompts"]
    assert about["exact"] is False
    assert (held_out["prompts"], held_out["pairs"]) == (12, 12)
    assert f"{held_out['same_order']:.1%}" in (folder / "README.md").read_text()
    responses = Response.objects.filter(prompt__project=project).order_by("pk").select_related("prompt")
    texts = [(each.prompt.text, each.text) for each in responses[:40]]
    found = logits(folder, texts)
    with Client(live_server.url, token) as client:
        scored = [client.score(project.slug, prompt, [text], user="sim-0").scores[0] for prompt, text in texts]
    assert np.corrcoef(found, scored)[0, 1] > 0.7, "length is something that a language model sees, too"
    again = CliRunner().invoke(export_model, [*arguments, "--student", "tiny", "--out", str(folder)])
    assert again.exit_code == 2
    refused = CliRunner().invoke(export_model, [*arguments, "--out", str(tmp_path / "exact")])
    assert (refused.exit_code, json.loads(refused.stderr)["status"]) == (1, 422)


def test_who_may_take_whose(world: World) -> None:
    annotator = Api(world.people.annotator)
    own = annotator.get(f"projects/{world.project.slug}/classifier?user={world.judge.ref}")
    assert own.status_code == 422, "theirs to take, but not exactly"
    assert annotator.get(f"projects/{world.project.slug}/classifier?user=other").status_code == 403
    assert annotator.get(f"projects/{world.project.slug}/classifier?student=tiny&prototype=1").status_code == 403
    assert Api(world.people.stranger).get(f"projects/{world.project.slug}/classifier").status_code == 404


def test_the_page(world: World) -> None:
    viewer = login(make_member(world.project, role=Role.VIEWER))
    page = reverse("model_take", args=[world.project.slug, 1])
    html = viewer.get(page).content.decode()
    assert "counts words or averages a sentence encoder" in html
    assert '<option value="tiny">' in html
    assert f'<option value="{world.judge.ref}">' in html
    file = reverse("model_file", args=[world.project.slug, 1])
    refused = viewer.get(file, {"user": "nobody", "student": "tiny"})
    assert refused.status_code == 404
    assert "There is no annotator “nobody”" in refused.content.decode()
    assert 'value="nobody"' in refused.content.decode()
    assert page in login(world.people.owner).get(reverse("version", args=[world.project.slug, 1])).content.decode()
    assert login(world.people.annotator).get(page).status_code == 403
    assert login(world.people.stranger).get(page).status_code == 404
