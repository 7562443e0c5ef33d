"""Pictures as responses: what is taken, what is stored, who sees it, and how it comes in and goes out."""

from __future__ import annotations

import io
import json
import socket
import zipfile
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from PIL import Image
from pytest_django import Settings

from annotator.errors import Invalid
from annotator.exports.options import ExportOptions
from annotator.exports.writing import export_project
from annotator.imports.errors import BadFile
from annotator.imports.reporting import ImportOptions, ImportReport
from annotator.imports.running import run_import
from annotator.models import Judgment, Pair, Picture, Project, Response
from annotator.outbound import NotAllowed, Unanswered, fetch
from annotator.pictures import BadPicture, clean
from annotator.services.dealing import deal
from annotator.services.erasing import delete_project
from annotator.services.pictures import add_picture, fetch_picture, path_of
from tests.annotator.api import Program, refused
from tests.annotator.importing import lines
from tests.attune.scripted_server import Answer, Scripted, scripted_server
from tests.factories import ThreePeople, login, make_annotator, make_pair, make_people, make_project
from tests.pictures import picture, pictured

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_chooser(settings: Settings, tmp_path: Path) -> None:
    settings.ATTUNE_CHOOSER = ""
    media = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path / "media"}}
    settings.STORAGES = settings.STORAGES | {"media": media}


@pytest.fixture
def people() -> ThreePeople:
    return make_people()


def zipped(rows: bytes, **files: bytes) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("set/rows.jsonl", rows)
        for name, data in files.items():
            archive.writestr(f"set/{name}.png", data)
    out.seek(0)
    return out


def take(project: Project, source: io.BytesIO, **options: Any) -> ImportReport:
    return run_import(source, project=project, options=ImportOptions(**options))


LOGOS = {
    "prompt": "A logo for a bakery",
    "responses": [{"picture": "loaf.png", "text": "A red loaf"}, {"picture": "oven.png", "text": "A blue oven"}],
}


# --- what is taken --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "suffix"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp"), ("GIF", "png")])
def test_formats_are_written_anew(kind: str, suffix: str) -> None:
    made = clean(picture(format=kind))
    assert made.name.endswith(f".{suffix}")
    assert (made.width, made.height) == (60, 40)
    assert clean(picture(format=kind)) == made
    with Image.open(io.BytesIO(made.data)) as stored:
        assert stored.size == (60, 40)


def test_metadata_is_gone_and_the_picture_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010F] = "SECRET CAMERA"
    data = picture(format="JPEG", exif=exif, comment=b"SECRET COMMENT")
    assert b"SECRET CAMERA" in data and b"SECRET COMMENT" in data
    made = clean(data + b"SECRET TAIL")
    assert b"SECRET" not in made.data
    assert (made.width, made.height) == (40, 60)
    with Image.open(io.BytesIO(made.data)) as stored:
        assert not stored.getexif()


def test_of_a_moving_picture_the_first_frame() -> None:
    out = io.BytesIO()
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    with Image.open(io.BytesIO(clean(out.getvalue()).data)) as stored:
        assert getattr(stored, "n_frames", 1) == 1
        red, green, blue = stored.convert("RGB").getpixel((10, 10))  # type: ignore[misc]
        assert red > 200 and green < 60 and blue < 60


def test_see_through_pictures_stay_so() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (10, 10), (255, 0, 0, 0)).save(out, "PNG")
    with Image.open(io.BytesIO(clean(out.getvalue()).data)) as stored:
        assert stored.mode == "RGBA"
        assert stored.getpixel((5, 5))[3] == 0  # type: ignore[index]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it is none"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it is none"),
        (b"<script>alert(1)</script>", "it is none"),
        (picture(format="BMP"), "it is none"),
        (picture(format="TIFF"), "it is none"),
        (picture(size=(300, 200))[:300], "damaged"),
        (picture(size=(16_001, 1)), "16,001"),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(BadPicture, match=why):
        clean(data)


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    def unpacked(*_: object) -> None:
        raise AssertionError("it was unpacked")

    data = picture(size=(9_000, 9_000))
    monkeypatch.setattr(Image.Image, "convert", unpacked)
    assert len(data) < 1_000_000
    with pytest.raises(BadPicture, match="pixels"):
        clean(data)


# --- what is stored, and who sees it --------------------------------------------------------------------------------


def test_the_same_picture_twice_is_stored_once(people: ThreePeople) -> None:
    first = add_picture(project=people.project, data=picture())
    again = add_picture(project=people.project, data=picture())
    other = add_picture(project=people.elsewhere, data=picture())
    assert (again, first == other, first.name == other.name) == (first, False, True)
    assert storages["media"].exists(path_of(people.project.pk, first.name))


def test_a_file_that_was_left_unfinished_is_written_again(people: ThreePeople) -> None:
    first = add_picture(project=people.project, data=picture())
    path = Path(storages["media"].path(path_of(people.project.pk, first.name)))
    whole = path.read_bytes()
    path.write_bytes(whole[:20])
    add_picture(project=people.project, data=picture())
    assert path.read_bytes() == whole


def test_members_see_it_and_nobody_else(people: ThreePeople) -> None:
    kept = add_picture(project=people.project, data=picture())
    where = reverse("picture", args=[people.project.slug, kept.name])
    for member in (people.owner, people.annotator):
        answer = login(member).get(where)
        assert answer.status_code == 200
        assert (answer["Content-Type"], answer["X-Content-Type-Options"]) == ("image/png", "nosniff")
        assert "private" in answer["Cache-Control"]
        assert b"".join(answer.streaming_content)[:4] == b"\x89PNG"  # type: ignore[attr-defined]
    assert login(people.owner).get(where, headers={"If-None-Match": f'"{kept.name}"'}).status_code == 304
    assert login(people.stranger).get(where).status_code == 404
    elsewhere = reverse("picture", args=[people.elsewhere.slug, kept.name])
    assert login(people.stranger).get(elsewhere).status_code == 404
    for name in ("nonsense.png", "..%2f..%2fsecret", "0" * 64 + ".png"):
        assert login(people.owner).get(f"/projects/{people.project.slug}/pictures/{name}").status_code == 404


def test_a_deleted_project_leaves_no_file(
    people: ThreePeople, tmp_path: Path, django_capture_on_commit_callbacks: Any
) -> None:
    pair = make_pair(people.project)
    pictured(pair.response_a, "red")
    add_picture(project=people.project, data=picture("green"))
    assert len([*tmp_path.rglob("*.png")]) == 2
    with django_capture_on_commit_callbacks(execute=True):
        delete_project(project=people.project, by=people.owner, typed=people.project.name)
    assert not [*tmp_path.rglob("*.png")]
    assert not Picture.objects.filter(project_id=people.project.pk).exists()


# --- by address -----------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Any:
    with scripted_server() as scripted:
        yield scripted


@pytest.fixture
def inside(settings: Settings) -> None:
    settings.PICTURES_PRIVATE = True


def test_nothing_is_fetched_unless_the_project_allows_it(people: ThreePeople, server: Scripted, inside: None) -> None:
    server.answers = [Answer(200, picture(), {"Content-Type": "image/png"})]
    with pytest.raises(Invalid, match="fetches no pictures"):
        fetch_picture(project=people.project, url=f"{server.url}/a.png")
    assert not server.asked
    people.project.picture_urls = True
    kept = fetch_picture(project=people.project, url=f"{server.url}/a.png")
    assert (kept.width, len(server.asked)) == (60, 1)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.png",
        "https://127.0.0.1/a",
        "https://[::1]/a",
        "https://10.0.0.1/a",
        "file:///etc/passwd",
        "https://169.254.169.254/latest/",
        "https://localhost/a",
        "https://user:pass@example.org/a",
    ],
)
def test_addresses_inside_are_never_asked(url: str) -> None:
    with pytest.raises(NotAllowed):
        fetch(url, most=1000)


def test_a_name_that_points_inside_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 443)) for each in ("93.184.216.34", "10.0.0.7")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(NotAllowed, match=r"10\.0\.0\.7"):
        fetch("https://pictures.example.org/a.png", most=1000)


def test_a_redirect_is_looked_at_as_the_first_address_was(server: Scripted, inside: None) -> None:
    server.answers = [
        Answer(302, b"", {"Location": "/b.png"}),
        Answer(200, picture(), {"Content-Type": "image/png"}),
        Answer(302, b"", {"Location": "ftp://127.0.0.1/secret"}),
        *[Answer(302, b"", {"Location": "/again"})] * 4,
    ]
    assert fetch(f"{server.url}/a.png", most=10_000)[:4] == b"\x89PNG"
    with pytest.raises(NotAllowed, match="https://"):
        fetch(f"{server.url}/a.png", most=10_000)
    with pytest.raises(Unanswered, match="redirects"):
        fetch(f"{server.url}/a.png", most=10_000)


def test_a_redirect_to_the_inside_is_not_followed(
    server: Scripted, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the first address counts as public, what it leads to is still checked."""
    from annotator import outbound

    server.answers = [Answer(302, b"", {"Location": "http://169.254.169.254/latest/"})]
    port = int(server.url.rpartition(":")[2])
    looked: list[str] = []
    real = outbound.check_url

    def check_url(url: str, **options: Any) -> None:
        looked.append(url)
        real(url, **options | {"private": len(looked) == 1})

    monkeypatch.setattr(outbound, "check_url", check_url)
    monkeypatch.setattr(outbound, "_resolved", lambda *_, **__: "127.0.0.1")
    with pytest.raises(NotAllowed, match="https://"):
        fetch(f"http://127.0.0.1:{port}/a.png", most=10_000)
    assert looked[-1] == "http://169.254.169.254/latest/"
    assert len(server.asked) == 1


def test_what_is_too_large_or_missing_is_said(server: Scripted, inside: None) -> None:
    server.answers = [Answer(200, b"x" * 2_000, {}), Answer(404, b"", {})]
    with pytest.raises(NotAllowed, match="more than 1,000 bytes"):
        fetch(f"{server.url}/a.png", most=1_000)
    with pytest.raises(Unanswered, match="404"):
        fetch(f"{server.url}/a.png", most=1_000)


# --- pages and API --------------------------------------------------------------------------------------------------


def test_an_owner_adds_pictures_on_the_page(people: ThreePeople) -> None:
    where = reverse("pictures", args=[people.project.slug])

    def files() -> dict[str, SimpleUploadedFile]:
        colours = ((1, "red"), (2, "blue"))
        return {f"file_{n}": SimpleUploadedFile(f"{n}.png", picture(colour), "image/png") for n, colour in colours}

    said = {"prompt": "A logo for a bakery", "topic": "logos", "shows_1": "A red loaf", "shows_2": "A blue oven"}
    assert login(people.annotator).post(where, said | files()).status_code == 403
    owner = login(people.owner)
    assert owner.post(where, said | files()).status_code == 302
    pair = Pair.objects.get(project=people.project)
    assert {pair.response_a.text, pair.response_b.text} == {"A red loaf", "A blue oven"}
    assert pair.response_a.picture and pair.response_b.picture
    page = owner.get(where).content.decode()
    assert 'alt="A red loaf"' in page and "style=" not in page
    pair_page = owner.get(reverse("pair", args=[people.project.slug, pair.pk])).content.decode()
    assert reverse("picture", args=[people.project.slug, pair.response_a.picture.name]) in pair_page


@pytest.mark.parametrize(
    ("shows", "data", "why"),
    [
        ("", picture(), "Say what picture 1 shows"),
        ("A loaf", b"<svg/>", "it is none"),
        ("A loaf", None, "Choose the file of picture 1"),
    ],
)
def test_the_page_says_what_is_wrong(people: ThreePeople, shows: str, data: bytes | None, why: str) -> None:
    files = {"file_2": SimpleUploadedFile("b.png", picture("blue"), "image/png")}
    if data is not None:
        files["file_1"] = SimpleUploadedFile("a.png", data, "image/png")
    said = {"prompt": "A logo", "topic": "", "shows_1": shows, "shows_2": "An oven"}
    answer = login(people.owner).post(reverse("pictures", args=[people.project.slug]), said | files)
    assert answer.status_code == 422
    assert why in answer.content.decode()
    assert not Response.objects.filter(prompt__project=people.project).exists()


def test_through_the_api(people: ThreePeople, server: Scripted, inside: None) -> None:
    owner = Program(people.owner, people.project)
    sent = owner.generic(
        "POST", f"/api/v1/projects/{people.project.slug}/pictures", picture(), content_type="image/png"
    )
    assert sent.status_code == 201, sent.content
    name = sent.json()["name"]
    server.answers = [Answer(200, picture("blue"), {"Content-Type": "image/png"})]
    refused(owner.send("POST", "/pictures", {"url": f"{server.url}/b.png"}), 422, "picture")
    for wrong in ([], [{"url": server.url}], "a.png", None, 3):
        answer = owner.generic(
            "POST",
            f"/api/v1/projects/{people.project.slug}/pictures",
            json.dumps(wrong),
            content_type="application/json",
        )
        assert answer.status_code in (400, 422), wrong
    empty = owner.generic("POST", f"/api/v1/projects/{people.project.slug}/pictures", b"", content_type="image/png")
    assert empty.status_code == 422
    Project.objects.filter(pk=people.project.pk).update(picture_urls=True)
    other = owner.ok("POST", "/pictures", {"url": f"{server.url}/b.png"}, status=201)["name"]
    responses = [{"text": "A loaf", "picture": name}, {"text": "An oven", "picture": other}]
    made = owner.ok("POST", "/prompts", {"prompt": "A logo", "responses": responses}, status=201)
    assert [each["picture"] for each in made["responses"]] == [name, other]
    refused(
        owner.send("POST", "/prompts", {"prompt": "B", "responses": [{"text": "x", "picture": "0" * 64 + ".png"}]}),
        422,
        "picture",
    )
    assert [each["name"] for each in owner.ok("GET", "/pictures")["results"]] == [name, other]
    shown = Program(people.annotator, people.project).ok("GET", "/next")
    assert {shown["a"]["picture"]["name"], shown["b"]["picture"]["name"]} == {name, other}
    file = Program(people.annotator, people.project).get(shown["a"]["picture"]["url"])
    assert file["Content-Type"] == "image/png"
    assert b"".join(file.streaming_content).startswith(b"\x89PNG")
    stranger = Program(people.stranger, people.elsewhere)
    assert stranger.get(shown["a"]["picture"]["url"]).status_code == 404


def test_a_picture_is_dealt_with_its_size(people: ThreePeople) -> None:
    pair = make_pair(people.project)
    kept = pictured(pair.response_a, "red")
    dealt = deal(annotator=people.judge)
    assert dealt is not None
    by_id = {each.response_id: each for each in (dealt.left, dealt.right)}
    shown = by_id[pair.response_a_id].picture
    assert shown and (shown.name, shown.width, shown.height) == (kept.name, 600, 400)
    assert by_id[pair.response_b_id].picture is None
    page = login(people.annotator).get(reverse("judge", args=[people.project.slug])).content.decode()
    assert f'alt="{pair.response_a.text}"' in page
    assert "style=" not in page


# --- files in and out -----------------------------------------------------------------------------------------------


def test_a_zip_of_rows_and_pictures_and_back(people: ThreePeople) -> None:
    data = zipped(lines(LOGOS), loaf=picture("red"), oven=picture("blue")).getvalue()
    report = take(people.project, io.BytesIO(data), dry_run=True)
    assert (report.bad_rows, report.new["responses"], Picture.objects.count()) == (0, 2, 0)
    report = take(people.project, io.BytesIO(data))
    assert (report.written, report.new["responses"], report.new["pairs"]) == (True, 2, 1)
    assert take(people.project, io.BytesIO(data)).new["responses"] == 0
    pair = Pair.objects.get(project=people.project)
    row = {"annotator": "ann", "prompt": "A logo for a bakery", "preference": "a"}
    row |= {f"response_{x}": r.text for x, r in (("a", pair.response_a), ("b", pair.response_b))}
    row |= {f"response_{x}_id": r.ref for x, r in (("a", pair.response_a), ("b", pair.response_b))}
    row |= {f"picture_{x}": r.picture.name for x, r in (("a", pair.response_a), ("b", pair.response_b)) if r.picture}
    assert take(people.project, io.BytesIO(lines(row))).new["judgments"] == 1
    data = b"".join(export_project(people.project, ExportOptions(type="zip")))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        (out,) = map(orjson.loads, archive.read("judgments.jsonl").splitlines())
        assert archive.read(out["picture_a"])[:4] == b"\x89PNG"
    other = make_project()
    assert take(other, io.BytesIO(data)).new == {
        **dict.fromkeys(("prompts", "pairs", "annotators", "judgments"), 1),
        "responses": 2,
    }
    assert Judgment.objects.filter(project=other).count() == 1
    assert take(people.project, io.BytesIO(data)).new["judgments"] == 0


def test_the_same_words_for_two_pictures(people: ThreePeople) -> None:
    """They are told apart by their pictures; encoders can't, item effects can."""
    row = {
        "prompt": "A logo",
        "responses": [{"picture": "loaf.png", "text": "A logo"}, {"picture": "oven.png", "text": "A logo"}],
    }
    report = take(people.project, zipped(lines(row), loaf=picture("red"), oven=picture("blue")))
    assert (report.written, report.new["responses"]) == (True, 2)


@pytest.mark.parametrize(
    ("row", "field", "why"),
    [
        (LOGOS, "responses[1].picture", "no file in the zip"),
        (
            {**LOGOS, "responses": [{"picture": "https://example.org/a.png", "text": "x"}]},
            "responses[0].picture",
            "set-up",
        ),
        ({**LOGOS, "responses": [{"picture": "loaf.png"}]}, "responses[0].text", "a text"),
        ({**LOGOS, "responses": [{"picture": "bad.png", "text": "x"}]}, "responses[0].picture", "it is none"),
    ],
)
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_picture_that_cant_be_had_is_named(
    people: ThreePeople, row: dict[str, Any], field: str, why: str, dry_run: bool
) -> None:
    report = take(people.project, zipped(lines(row), loaf=picture(), bad=b"no picture"), dry_run=dry_run)
    (problem,) = report.problems
    assert problem.field == field
    assert why in str(problem)
    assert not Response.objects.filter(prompt__project=people.project).exists()


def test_an_id_stands_for_one_picture(people: ThreePeople) -> None:
    row = {"prompt": "A logo", "responses": [{"id": "one", "picture": "loaf.png", "text": "A logo"}]}
    assert take(people.project, zipped(lines(row), loaf=picture("red"))).written
    report = take(people.project, zipped(lines(row), loaf=picture("blue")))
    assert [problem.reason for problem in report.problems] == ["id_reused"]


def test_wrong_zips_are_refused_whole(people: ThreePeople) -> None:
    two = io.BytesIO()
    with zipfile.ZipFile(two, "w") as archive:
        archive.writestr("a.jsonl", lines(LOGOS))
        archive.writestr("b.csv", b"a,b")
    two.seek(0)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jsonl", b" " * 80_000_000)
    bomb.seek(0)
    whole = zipped(lines(LOGOS), loaf=picture()).getvalue()
    for source, why in ((two, "one file of rows"), (bomb, "times its size"), (io.BytesIO(whole[:-30]), "damaged")):
        with pytest.raises(BadFile, match=why):
            take(people.project, source)


def test_a_zip_is_for_judgments() -> None:
    with pytest.raises(Invalid, match="zip"):
        ExportOptions(format="trl", type="zip")


def test_preferences_name_the_pictures(people: ThreePeople) -> None:
    take(people.project, zipped(lines(LOGOS), loaf=picture("red"), oven=picture("blue")))
    pair = Pair.objects.get(project=people.project)
    annotator = make_annotator(people.project)
    Judgment.objects.create(
        project=people.project, annotator=annotator, pair=pair, choice="a", client_key="0" * 31 + "1", source="import"
    )
    (row,) = map(orjson.loads, b"".join(export_project(people.project, ExportOptions(format="trl"))).splitlines())
    assert pair.response_a.picture and pair.response_b.picture
    assert (row["chosen_picture"], row["rejected_picture"]) == (
        pair.response_a.picture.name,
        pair.response_b.picture.name,
    )
    assert row["chosen"] == [{"role": "assistant", "content": pair.response_a.text}]
