"""A write with a key happens once; these use real transactions."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from annotator.models import IdempotencyRecord, User
from annotator.services.idempotency import InFlight, KeyReused, Outcome, once
from annotator.tasks import sweep
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)


def write_name(user: User, name: str) -> Outcome:
    user.name += name
    user.save()
    return Outcome(201, {"name": user.name})


def test_once_and_again() -> None:
    user = make_user()
    first = once(user=user, key="k", route="POST /x", payload=b"1", write=lambda: write_name(user, "Ann"))
    again = once(user=user, key="k", route="POST /x", payload=b"1", write=lambda: write_name(user, "Ben"))
    assert (first.status, first.body, first.replayed) == (201, {"name": "Ann"}, False)
    assert (again.status, again.body, again.replayed) == (201, {"name": "Ann"}, True)
    assert User.objects.get(pk=user.pk).name == "Ann"


@pytest.mark.parametrize(("route", "payload"), [("POST /x", b"2"), ("POST /y", b"1")])
def test_a_key_for_something_else(route: str, payload: bytes) -> None:
    user = make_user()
    once(user=user, key="k", route="POST /x", payload=b"1", write=lambda: write_name(user, "Ann"))
    with pytest.raises(KeyReused, match="“k”"):
        once(user=user, key="k", route=route, payload=payload, write=lambda: write_name(user, "Ben"))
    assert User.objects.get(pk=user.pk).name == "Ann"


def test_nothing_is_kept_of_a_failure() -> None:
    user = make_user()

    def fail() -> Outcome:
        write_name(user, "Ann")
        raise ValueError("the power went")

    with pytest.raises(ValueError, match="power"):
        once(user=user, key="k", route="POST /x", payload=b"1", write=fail)
    assert User.objects.get(pk=user.pk).name == ""
    user.refresh_from_db()
    assert not once(user=user, key="k", route="POST /x", payload=b"1", write=lambda: write_name(user, "Ben")).replayed


def test_while_the_first_is_still_running() -> None:
    user = make_user()
    started, let_go = threading.Event(), threading.Event()

    def slow() -> Outcome:
        started.set()
        assert let_go.wait(20)
        return write_name(user, "Ann")

    def run() -> None:
        once(user=user, key="k", route="POST /x", payload=b"1", write=slow)
        connections.close_all()

    first = threading.Thread(target=run)
    first.start()
    try:
        assert started.wait(20)
        with pytest.raises(InFlight):
            once(user=user, key="k", route="POST /x", payload=b"1", write=lambda: write_name(user, "Ben"))
        other = make_user()
        once(user=other, key="k", route="POST /x", payload=b"1", write=lambda: write_name(other, "Cy"))
    finally:
        let_go.set()
        first.join()
    assert User.objects.get(pk=user.pk).name == "Ann"


def test_old_answers_are_forgotten_after_a_week() -> None:
    user = make_user()
    for key in ("old", "new"):
        once(user=user, key=key, route="POST /x", payload=b"1", write=lambda: Outcome(200, {}))
    IdempotencyRecord.objects.filter(key="old").update(created_at=timezone.now() - timedelta(days=8))
    sweep()
    assert list(IdempotencyRecord.objects.values_list("key", flat=True)) == ["new"]
