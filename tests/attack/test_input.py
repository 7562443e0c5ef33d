"""Bodies and files that are made to hurt."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from pytest_django.fixtures import Settings

from annotator.models import ImportBatch
from attune.client import ClientError
from attune.client.unpacking import unpack
from tests.annotator.api import Program
from tests.attack.routes import every_route
from tests.attack.victim import Victim, everything, make_victim
from tests.factories import login

pytestmark = pytest.mark.django_db

DEEP = b"[" * 200_000 + b"]" * 200_000
DEEP_OBJECT = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
ROW = {"prompt": "How?", "response_a": "So.", "response_b": "Thus.", "preference": "a", "annotator": "x"}
TRAVERSALS = [
    "../../../etc/passwd",
    "..\\..\\boot.ini",
    "/etc/passwd",
    "a/../../b.jsonl",
    "%2e%2e%2fx",
    "a\x00b",
    "." * 300,
]
WRITES = [
    (route, method)
    for route in every_route()
    if route.is_api and route.template != "api/schema/" and not route.template.endswith("imports")
    for method in route.methods
    if method in ("POST", "PUT", "PATCH")
]


@pytest.fixture
def victim(db: None) -> Victim:
    return make_victim()


@pytest.fixture
def owner(victim: Victim) -> Program:
    return Program(victim.people.owner, victim.people.project)


def others(found: dict[tuple[str, str], int], status: int) -> dict[tuple[str, str], int]:
    """Answers that are not ``status``; drop-in routes may refuse in their client's own number."""
    dialects = {400, 413, 422}
    return {
        (method, where): got
        for (method, where), got in found.items()
        if got not in ({status} if where.startswith("api/") else dialects)
    }


def send_all(owner: Program, victim: Victim, body: bytes, **headers: str) -> dict[tuple[str, str], int]:
    values = {**victim.objects, "u:str": f"{victim.slug}:{victim.objects['annotators:path']}"}
    found = {}
    for route, method in WRITES:
        sent = {"Idempotency-Key": "once", "If-Match": "*"} | {
            name.replace("_", "-"): each for name, each in headers.items()
        }
        address = route.address(victim.slug, values)
        found[method, route.template] = owner.generic(
            method, address, body, content_type="application/json", headers=sent
        ).status_code
    return found


@pytest.mark.parametrize("body", [DEEP, DEEP_OBJECT], ids=["lists", "objects"])
def test_deep_bodies_are_refused_everywhere(body: bytes, owner: Program, victim: Victim) -> None:
    before = everything()
    assert not others(send_all(owner, victim, body), 400)
    assert everything() == before


def test_oversize_bodies_are_refused_everywhere(owner: Program, victim: Victim, settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10_000
    before = everything()
    found = send_all(owner, victim, b'{"a": "' + b"x" * 20_000 + b'"}')
    assert not others(found, 413)
    assert everything() == before


def test_compressed_bodies_are_not_unpacked(owner: Program, victim: Victim) -> None:
    """What a small body becomes can't be known before, so there are none: a bomb is only bytes that are no JSON."""
    bomb = gzip.compress(b" " * 50_000_000)
    found = send_all(owner, victim, bomb, Content_Encoding="gzip")
    assert not others(found, 400)


@pytest.mark.parametrize(
    "text", ['{"a": NaN}', '{"a": Infinity}', '{"a": 1, "a": 2}', '"\ud800"', "{'a': 1}", "[1,]", ""]
)
def test_what_only_looks_like_json(text: str, owner: Program) -> None:
    body = text.encode("utf-8", "surrogatepass")
    answer = owner.send("POST", "score", body)
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize("name", TRAVERSALS)
def test_names_of_uploads_lead_nowhere(
    name: str, owner: Program, victim: Victim, settings: Settings, tmp_path: Path
) -> None:
    uploads = tmp_path / "uploads"
    settings.STORAGES = settings.STORAGES | {
        "uploads": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": uploads}}
    }
    line = orjson.dumps(ROW) + b"\n"
    by_api = owner.generic(
        "POST",
        f"/api/v1/projects/{victim.slug}/imports",
        line,
        content_type="application/octet-stream",
        QUERY_STRING=f"name={name}",
    )
    assert by_api.status_code == 201, by_api.content
    page = login(victim.people.owner)
    by_page = page.post(
        reverse("data", args=[victim.slug]), {"file": SimpleUploadedFile(name.replace("\x00", ""), line)}
    )
    assert by_page.status_code == 302, by_page.content
    for batch in ImportBatch.objects.exclude(name="rows.jsonl"):
        stored = (uploads / batch.path).resolve()
        assert stored.is_relative_to(uploads.resolve()), batch.path
        assert stored.read_bytes() == line
    everywhere = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert all(each.is_relative_to(uploads) for each in everywhere)


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/../../outside"])
def test_names_in_an_archive_lead_nowhere(name: str, tmp_path: Path) -> None:
    packed = tmp_path / "sent.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, "x")
    with pytest.raises(ClientError, match="with the name"):
        unpack(packed, tmp_path / "dataset")
    assert list(tmp_path.iterdir()) == [packed]


def test_names_of_annotators_and_prompts_are_only_names(owner: Program, victim: Victim) -> None:
    """They may hold anything; files and headers are named by neither."""
    bad = '../../"\r\nSet-Cookie: a=b; x'
    row = {
        **ROW,
        "annotator": bad.replace("\r\n", " "),
        "prompt_id": "../../p",
        "response_a_id": "../a",
        "response_b_id": "../b",
    }
    owner.ok("POST", "/bulk", {"rows": [row]})
    for path in ("/export", "/export?format=trl", "/dataset?form=kto&type=csv"):
        answer = owner.send("GET", path)
        disposition = answer["Content-Disposition"]
        assert answer.status_code == 200
        assert ".." not in disposition and "\r" not in disposition and disposition.count('"') == 2


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "＝", "'="])
def test_no_cell_of_any_csv_is_a_formula(start: str, owner: Program, victim: Victim) -> None:
    text = f"{start}cmd|' /C calc'!A0"
    row: dict[str, Any] = {
        name: f"{text} {name}" for name in ("prompt", "response_a", "response_b", "rationale", "annotator")
    }
    owner.ok("POST", "/bulk", {"rows": [{**row, "preference": "a"}]})
    files = [
        "/export?type=csv",
        "/export?format=trl&type=csv",
        "/export?format=pairs&type=csv",
        "/export?format=people&type=csv",
    ]
    files += [f"/dataset?type=csv&names=references&form={form}" for form in ("preference", "kto", "sft", "rationales")]
    import csv

    for path in files:
        answer = owner.send("GET", path)
        assert answer.status_code == 200, (path, answer)
        whole = b"".join(answer.streaming_content).decode()
        cells = [cell for line in csv.reader(io.StringIO(whole)) for cell in line]
        assert cells, path
        risky = [cell for cell in cells if cell and cell[0] in "=+-@\t\r＝＋－＠" and not _is_number(cell)]
        assert not risky, (path, risky)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
