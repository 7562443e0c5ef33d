"""The migration after which the tiny language model has other weights: nothing that was made with the former is used any longer."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps

from tests.factories import make_project
from training.models import ModelVersion, PolicyRun, PolicyVersion, Run, TextVector

pytestmark = pytest.mark.django_db


def test_what_was_made_with_the_former_weights_is_withdrawn() -> None:
    kept, gone = ("style", "minilm+style", "tinylike"), ("tiny", "tiny+style", "style+tiny", "minilm+tiny+style")
    for encoder in (*kept, *gone):
        TextVector.objects.create(encoder=encoder, digest="0" * 64, vector=b"")
        project = make_project()
        fit = Run.objects.create(project=project, number=1, model_name="hybrid", encoder=encoder, seed=0)
        ModelVersion.objects.create(project=project, number=1, run=fit, encoder=encoder, state=ModelVersion.State.LIVE)
    for number, base in ((1, "tiny"), (2, "somebody/tiny")):
        run = PolicyRun.objects.create(project=project, number=number)
        PolicyVersion.objects.create(project=project, number=number, run=run, base=base)

    import_module("training.migrations.0012_tiny_made_anew").withdraw(apps, None)

    assert {each.encoder for each in TextVector.objects.all()} == set(kept)
    live = ModelVersion.objects.filter(state=ModelVersion.State.LIVE)
    assert {each.encoder for each in live} == set(kept)
    assert list(PolicyVersion.objects.filter(retired=False).values_list("base", flat=True)) == ["somebody/tiny"]
