from __future__ import annotations

import pytest
from django.urls import reverse

from annotator.models import User
from tests.factories import login
from tests.training.makers import make_tasteful_project, make_version
from training.registry import promote

NAMES = ["snapshot", "run", "modelversion", "promotion"]


@pytest.mark.django_db
def test_superusers_look_and_do_not_touch() -> None:
    project = make_tasteful_project(annotators=3, prompts=4, each=4)
    promote(version=make_version(project))
    client = login(User.objects.create_superuser("root@example.org", "correct horse battery"))
    for name in NAMES:
        listing = client.get(reverse(f"admin:training_{name}_changelist"))
        assert listing.status_code == 200
        assert project.name in listing.content.decode()
        assert client.get(reverse(f"admin:training_{name}_add")).status_code == 403
