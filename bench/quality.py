"""The owner's figures on 50,000 judgments by 3,000 people: the report as a worker computes it, and the pages that show it.

Pages are asked for in this process, so that neither a network nor a web server is part of the figure. The first request
for each counts by itself: no figure is cached then. What a process does once, as loading all addresses and views, is over by
then: another page was asked for. The baseline is one count over the same judgments.
"""

from __future__ import annotations

import random
import statistics
import time
import uuid
from collections.abc import Callable
from typing import Any

from bench.site import database

PAGES = ("project", "quality", "people", "contested", "pairs")
TRIES = 5


def run(quick: bool) -> dict[str, Any]:
    """Seconds of a report, milliseconds of each page."""
    people, pairs, each = (200, 1_000, 3) if quick else (3_000, 16_667, 3)
    with database():
        project, owner = seed(people=people, pairs=pairs, each=each)
        figures: dict[str, Any] = {"judgments": pairs * each, "people": people}
        figures["baseline_count_ms"] = _median(lambda: project.judgments.filter(current=True).count())
        from annotator.services.assessing import assess
        from annotator.services.standing import check_standing

        figures["report_s"] = round(_seconds(lambda: assess(project=project)), 2)
        figures["standing_ms"] = _median(lambda: check_standing(project=project))
        return figures | pages(project, owner)


def pages(project: Any, owner: Any) -> dict[str, float]:
    """The owner's pages, the first time and then the median of some more."""
    from django.core.cache import caches
    from django.test import Client
    from django.urls import reverse

    client = Client(headers={"Host": "127.0.0.1"})
    client.force_login(owner)
    _get(client, reverse("home"))
    figures = {}
    addresses = {name: reverse(name, args=[project.slug]) for name in PAGES}
    annotator, pair = project.annotators.first(), project.pairs.first()
    addresses["annotator_quality"] = reverse("annotator_quality", args=[project.slug, annotator.pk])
    addresses["pair"] = reverse("pair", args=[project.slug, pair.pk])
    for name, address in addresses.items():
        caches["process"].clear()
        figures[f"{name}_first_ms"] = round(1_000 * _seconds(lambda at=address: _get(client, at)), 1)
        figures[f"{name}_ms"] = _median(lambda at=address: _get(client, at))
    return figures


def seed(*, people: int, pairs: int, each: int) -> tuple[Any, Any]:
    """Pairs of three responses a prompt, judged by ``each`` people of whom some are careless and some contrary."""
    from django.db import connection

    from annotator.models import Membership, Project, User

    rng = random.Random(7)
    project = Project.objects.create(slug="bench", name="Bench", overlap=each, gold_bar=0.6, checks_needed=5)
    owner = User.objects.create_user("owner@example.org", "correct horse battery")
    Membership.objects.create(project=project, user=owner, role="owner")
    made = _pairs(project, pairs, rng)
    _judgments(project, made, people, each, rng)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return project, owner


def _pairs(project: Any, count: int, rng: random.Random) -> list[Any]:
    """Pairs of three responses a prompt; one in twenty has a known answer."""
    from annotator.models import Pair, Prompt, Response

    prompts = Prompt.objects.bulk_create(
        Prompt(
            project=project,
            ref=str(n),
            messages=[{"role": "user", "content": f"What of {n}?"}],
            text=f"What of {n}?",
            digest=f"{n:064x}",
            topic=f"topic {n % 12}",
        )
        for n in range(-(-count // 3))
    )
    responses = Response.objects.bulk_create(
        Response(
            prompt=prompt,
            ref=side,
            text=f"Of {prompt.ref} {side} " + "word " * rng.randrange(20, 120),
            digest=uuid.UUID(int=rng.getrandbits(128)).hex,
        )
        for prompt in prompts
        for side in "abc"
    )
    triples = [responses[n : n + 3] for n in range(0, len(responses), 3)]
    return Pair.objects.bulk_create(
        Pair(
            project=project,
            prompt=one.prompt,
            response_a=one,
            response_b=other,
            cap=project.overlap,
            gold_choice="a" if rng.random() < 0.05 else "",
        )
        for triple in triples
        for one, other in ((triple[0], triple[1]), (triple[0], triple[2]), (triple[1], triple[2]))
    )[:count]


def _judgments(project: Any, pairs: list[Any], people: int, each: int, rng: random.Random) -> None:
    """``each`` of so many people judge every pair; some of them are careless, some contrary."""
    from annotator.models import Annotator, Judgment

    annotators = Annotator.objects.bulk_create(
        Annotator(project=project, ref=f"p-{n}", name=f"Person {n}") for n in range(people)
    )
    accuracy = [rng.choice((0.5, 0.1, *[0.8] * 8)) for _ in annotators]
    Judgment.objects.bulk_create(
        (
            Judgment(
                project=project,
                annotator=annotators[who],
                pair=pair,
                client_key=uuid.UUID(int=rng.getrandbits(128)),
                choice="tie" if rng.random() < 0.1 else "a" if rng.random() < accuracy[who] else "b",
                strength=None,
                swapped=rng.random() < 0.5,
                seconds=rng.lognormvariate(3, 0.5),
                guess=rng.random(),
            )
            for n, pair in enumerate(pairs)
            for who in rng.sample(range(people), each)
        ),
        batch_size=5_000,
    )


def _get(client: Any, address: str) -> None:
    response = client.get(address)
    assert response.status_code == 200, (address, response.status_code)


def _seconds(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def _median(act: Callable[[], object]) -> float:
    return round(1_000 * statistics.median(_seconds(act) for _ in range(TRIES)), 1)
