from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.db import connections

from annotator.errors import Conflict, NotFound
from annotator.models import AuditEntry, Project
from tests.factories import make_user
from tests.training.makers import make_tasteful_project, make_version
from training.models import ModelVersion, Promotion
from training.registry import earlier_version, promote, retire, roll_back
from training.serving import live_version, load_model, served, version_by_label

State = ModelVersion.State


@pytest.fixture
def project(db: None) -> Project:
    return make_tasteful_project(annotators=3, prompts=4, each=4)


def test_promoting_replaces_the_live_one(project: Project) -> None:
    owner = make_user()
    first, second = make_version(project), make_version(project)
    promote(version=first, by=owner)
    done = promote(version=second, by=owner, reason="better")

    assert done
    assert (done.version, done.previous, done.by, done.reason) == (second, first, owner, "better")
    assert _states(project) == {1: State.CANDIDATE, 2: State.LIVE}
    entry = AuditEntry.objects.filter(project=project).first()
    assert entry
    assert (entry.what, entry.by) == ("model promoted", owner)
    assert entry.about == {"version": "bradley_terry@2", "replaced": "bradley_terry@1", "reason": "better"}


def test_promoting_the_live_one_changes_nothing(project: Project) -> None:
    version = make_version(project)
    promote(version=version)
    assert promote(version=version) is None
    assert Promotion.objects.count() == 1


def test_rolling_back_follows_the_history(project: Project) -> None:
    first, second, third = (make_version(project) for _ in range(3))
    for version in (first, second, third):
        promote(version=version)

    assert roll_back(project=project).version == second
    assert roll_back(project=project).version == first, "not back to the third: going back is not a step forward"
    with pytest.raises(Conflict, match="no earlier version"):
        roll_back(project=project)
    assert _states(project) == {1: State.LIVE, 2: State.CANDIDATE, 3: State.CANDIDATE}

    promote(version=third)
    assert earlier_version(project) == first
    assert roll_back(project=project).version == first, "what the third replaced this time"


def test_rolling_back_passes_retired_versions(project: Project) -> None:
    first, second, third = (make_version(project) for _ in range(3))
    for version in (first, second, third):
        promote(version=version)
    retire(version=second)

    assert roll_back(project=project).version == first


def test_nothing_live_cannot_be_rolled_back(project: Project) -> None:
    make_version(project)
    with pytest.raises(Conflict, match="no earlier version"):
        roll_back(project=project)


def test_a_retired_version_serves_nobody(project: Project) -> None:
    version = make_version(project)
    promote(version=version)
    retire(version=version, reason="wrong data")
    retire(version=version)

    assert live_version(project.pk) is None
    with pytest.raises(NotFound, match="“bradley_terry@1” has been retired"):
        version_by_label(project.pk, "bradley_terry@1")
    with pytest.raises(Conflict, match="is retired"):
        promote(version=version)
    withdrawal = Promotion.objects.first()
    assert withdrawal
    assert (withdrawal.version, withdrawal.previous, withdrawal.reason) == (None, version, "wrong data")
    assert AuditEntry.objects.filter(what="model retired").count() == 1


def test_a_version_whose_files_are_gone_is_not_promoted(project: Project) -> None:
    version = make_version(project)
    (Path(storages["artifacts"].path(version.path)) / "weights.safetensors").unlink()
    with pytest.raises(Conflict, match=r"bradley_terry@1 can't be served: .*weights.safetensors cannot be read"):
        promote(version=version)
    assert live_version(project.pk) is None


def test_a_version_of_another_encoder_is_not_promoted(project: Project) -> None:
    version = make_version(project)
    version.encoder = "minilm"
    version.save()
    with pytest.raises(Conflict, match="fitted on the encoder 'style' but is registered with 'minilm'"):
        promote(version=version)


@pytest.mark.django_db(transaction=True)
def test_promotions_at_once_leave_one_live_and_a_whole_history() -> None:
    project = make_tasteful_project(annotators=3, prompts=4, each=4)
    versions = [make_version(project) for _ in range(4)]

    def make_live(version: ModelVersion) -> None:
        promote(version=version)
        connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make_live, versions))

    assert sorted(_states(project).values()) == [State.CANDIDATE] * 3 + [State.LIVE]
    history = list(Promotion.objects.order_by("id"))
    assert [each.previous for each in history] == [None, *(each.version for each in history[:-1])]


@pytest.mark.django_db(transaction=True)
def test_a_reader_sees_one_live_version_at_every_moment() -> None:
    project = make_tasteful_project(annotators=3, prompts=4, each=4)
    versions = [make_version(project) for _ in range(2)]
    promote(version=versions[0])

    def swap() -> None:
        for turn in range(30):
            promote(version=versions[(turn + 1) % 2])
        connections.close_all()

    seen: list[int] = []
    with ThreadPoolExecutor(1) as pool:
        swapping = pool.submit(swap)
        while not swapping.done():
            now = live_version(project.pk)
            assert now, "there is always a live version"
            seen.append(now.number)
        swapping.result()
    assert set(seen) == {1, 2}


def test_labels_name_versions(project: Project) -> None:
    version = make_version(project)
    assert version_by_label(project.pk, "bradley_terry@1") == served(version)


@pytest.mark.parametrize(
    "label", ["bradley_terry@2", "hybrid@1", "1", "", "bradley_terry@", "bradley_terry@٣", "@1", "a@1@1"]
)
def test_unknown_labels_are_named(project: Project, label: str) -> None:
    make_version(project)
    with pytest.raises(NotFound, match="has no model “"):
        version_by_label(project.pk, label)


def test_models_are_kept_in_memory(project: Project) -> None:
    version = served(make_version(project))
    assert load_model(version) is load_model(version)
    assert load_model(version).name == "bradley_terry"


def _states(project: Project) -> dict[int, str]:
    return dict(project.versions.values_list("number", "state"))
