"""Superusers can look latents up."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model

from personalization.latents import latent_for
from personalization.models import Latent
from tests.factories import login
from tests.personalization.conftest import World
from tests.personalization.worlds import judge

pytestmark = pytest.mark.django_db


def test_list_and_detail(world: World) -> None:
    judge(world.judge, world.pairs[0], "a")
    latent_for(annotator_id=world.judge.pk, served=world.version)
    client = login(get_user_model().objects.create_superuser("root@example.org", "correct horse battery"))
    where = "/admin/personalization/latent/"
    assert "hybrid@1" in client.get(where).content.decode()
    assert "N judgments" in client.get(f"{where}{Latent.objects.get().pk}/change/").content.decode()
    assert login(world.people.owner).get(where).status_code == 302
