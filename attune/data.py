"""What flows between the database, the models and the files: responses, judgments, snapshots.

A snapshot on disk is a folder: ``responses.jsonl.gz``, ``judgments.jsonl.gz`` (order of judging) and ``manifest.json``
with row counts, hashes and what it is about. ``read_judgments`` reads the flat form: one judgment with both texts a
line.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Literal, TypeVar, get_args

import orjson

from attune import json_fields
from attune.errors import ArtifactError, BadData

SNAPSHOT_FORMAT = "attune-snapshot/1"
RESPONSES_FILE = "responses.jsonl.gz"
JUDGMENTS_FILE = "judgments.jsonl.gz"
MANIFEST_FILE = "manifest.json"
SPAN = re.compile(r"([ab])([+-])(\d{1,9}):(\d{1,9})")

Choice = Literal["a", "b", "tie", "both_good", "both_bad"]
Part = Literal["", "context", "test"]

Row = TypeVar("Row")
CHOICES: tuple[Choice, ...] = get_args(Choice)
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True, slots=True)
class Response:
    """One answer to one prompt.

    ``id`` is stable for ever within a project; models keep item effects under it. ``prompt`` is the
    conversation flattened to text.
    """

    id: str
    prompt: str
    text: str
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Judgment:
    """What one annotator said of responses ``a`` and ``b`` (ids into ``Snapshot.responses``).

    ``swapped`` is true where ``b`` was shown on the left. ``strength`` is 1 (slightly) to 3 (much), None if not asked.
    ``slices`` and ``part`` are kept for evaluation only; ``repeat`` marks a hidden second look at the same pair.
    ``spans`` are stretches that they marked, as side, sign and code points of the response's text: ``a+0:12``.
    ``weight`` is below 1 where several rows come from one act, a ranking or a rating, and add up to what that tells.
    ``margin`` is by how much a fit shall prefer the chosen response, in logits (``attune.strength.with_margins``): a run's
    own, and never written.
    """

    annotator: str
    a: str
    b: str
    choice: Choice
    strength: int | None = None
    swapped: bool = False
    rationale: str = ""
    tags: tuple[str, ...] = ()
    judged_at: str = ""
    part: Part = ""
    slices: tuple[str, ...] = ()
    repeat: bool = False
    spans: tuple[str, ...] = ()
    weight: float = 1.0
    margin: float = 0.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A frozen set of judgments and every response that they name. Order is the order of judging."""

    responses: Mapping[str, Response]
    judgments: Sequence[Judgment]
    digest: str = ""
    about: Mapping[str, object] = field(default_factory=dict)


JUDGMENT_FIELDS = tuple(each.name for each in fields(Judgment) if each.name != "margin")


def flatten_prompt(prompt: str | Sequence[Mapping[str, str]]) -> str:
    """A conversation as one text. A lone user message is its content; longer ones name the role before each turn."""
    if isinstance(prompt, str):
        return prompt
    if len(prompt) == 1 and prompt[0].get("role") == "user":
        return prompt[0]["content"]
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in prompt)


def content_digest(prompt: str, response: str) -> str:
    """What two equal (prompt, response) texts share: sha256, hex. The lengths keep the boundary unambiguous."""
    prompt_bytes, response_bytes = prompt.encode(), response.encode()
    return hashlib.sha256(b"%d:%b%b" % (len(prompt_bytes), prompt_bytes, response_bytes)).hexdigest()


def write_snapshot(
    path: str | Path, responses: Iterable[Response], judgments: Iterable[Judgment], about: Mapping[str, object]
) -> str:
    """Freeze a snapshot as a new folder of ``responses.jsonl.gz``, ``judgments.jsonl.gz`` and ``manifest.json``.

    Both inputs are streamed; only response ids are held in memory. The digest covers the rows, not ``about``, so equal
    rows give equal digests. Raises ``ArtifactError`` where the folder exists, ``BadData`` for a row that does not fit.
    """
    folder = Path(path)
    if folder.exists():
        raise ArtifactError(f"{folder} already exists; snapshots are never overwritten")
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        known: set[str] = set()
        files = {
            RESPONSES_FILE: _write_rows(aside / RESPONSES_FILE, _distinct(responses, known)),
            JUDGMENTS_FILE: _write_rows(aside / JUDGMENTS_FILE, _consistent(judgments, known)),
        }
        digest = _snapshot_digest(files)
        manifest = {"format": SNAPSHOT_FORMAT, "digest": digest, "files": files, "about": dict(about)}
        (aside / MANIFEST_FILE).write_bytes(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2))
        aside.chmod(0o755)
        aside.rename(folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return digest


def read_snapshot(path: str | Path) -> Snapshot:
    """Read a snapshot back and check it against its digest.

    Raises ``ArtifactError`` where a file is missing or has changed, ``BadData`` (line, field, reason) for a wrong row.
    """
    folder = Path(path)
    manifest = _read_manifest(folder)
    found: dict[str, dict[str, object]] = {}
    responses = {r.id: r for r in _read_rows(folder / RESPONSES_FILE, _response, found)}
    known = responses.keys()
    judgments = tuple(_read_rows(folder / JUDGMENTS_FILE, lambda row: _known_judgment(row, known), found))
    digest = _snapshot_digest(found)
    if digest != manifest["digest"]:
        raise ArtifactError(
            f"{folder} has changed since it was written: digest {digest}, expected {manifest['digest']}"
        )
    about = manifest.get("about")
    return Snapshot(responses, judgments, digest, about if isinstance(about, dict) else {})


def iterate_responses(folder: str | Path) -> Iterator[Response]:
    """A snapshot's responses one after the other, for who needs few of them; not checked against the digest.

    Raises ``ArtifactError`` where the file can't be read, ``BadData`` (line, field, reason) for a wrong row.
    """
    return _read_rows(Path(folder) / RESPONSES_FILE, _response, {})


def iterate_judgments(folder: str | Path) -> Iterator[Judgment]:
    """A snapshot's judgments one after the other, as ``iterate_responses`` reads responses."""
    return _read_rows(Path(folder) / JUDGMENTS_FILE, _judgment, {})


def _distinct(responses: Iterable[Response], known: set[str]) -> Iterator[dict[str, object]]:
    for response in responses:
        if response.id in known:
            raise BadData(f"response {response.id!r} occurs twice; ids must be unique")
        known.add(response.id)
        yield asdict(response)


def _consistent(judgments: Iterable[Judgment], known: set[str]) -> Iterator[dict[str, object]]:
    for number, judgment in enumerate(judgments, 1):
        row: dict[str, object] = {name: getattr(judgment, name) for name in JUDGMENT_FIELDS}
        try:
            _known_judgment(row, known)
        except json_fields.FieldError as wrong:
            raise BadData(f"judgment {number}, {wrong}") from None
        if judgment.weight == 1:
            del row["weight"]
        yield {name: value for name, value in row.items() if value not in ((), "", None, False)}


def _write_rows(path: Path, rows: Iterable[Mapping[str, object]]) -> dict[str, object]:
    """Gzip JSON lines with no name and no time in the header. The hash is of the plain lines: zlib builds differ."""
    count, digest = 0, hashlib.sha256()
    with path.open("wb") as raw, gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as out:
        for row in rows:
            try:
                line = orjson.dumps(row, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
            except orjson.JSONEncodeError as error:
                raise BadData(f"{path.name} line {count + 1} is not valid text: {error}") from None
            digest.update(line)
            out.write(line)
            count += 1
        out.flush()
    return {"rows": count, "sha256": digest.hexdigest()}


def _snapshot_digest(files: Mapping[str, Mapping[str, object]]) -> str:
    return hashlib.sha256(orjson.dumps([SNAPSHOT_FORMAT, files], option=orjson.OPT_SORT_KEYS)).hexdigest()


def _read_manifest(folder: Path) -> dict[str, object]:
    path = folder / MANIFEST_FILE
    try:
        manifest = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise ArtifactError(f"{path} is not JSON: {error}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != SNAPSHOT_FORMAT or "digest" not in manifest:
        raise ArtifactError(f"{path} is not a manifest of format {SNAPSHOT_FORMAT!r}")
    return manifest


def _read_rows(
    path: Path, parse: Callable[[dict[str, object]], Row], found: dict[str, dict[str, object]]
) -> Iterator[Row]:
    """Parse each line; what was really read (rows, sha256) lands in ``found`` under the file's name."""
    count, digest = 0, hashlib.sha256()
    for line in json_fields.lines(path):
        count += 1
        digest.update(line)
        yield json_fields.parsed(path, count, line, parse)
    found[path.name] = {"rows": count, "sha256": digest.hexdigest()}


def _response(row: dict[str, object]) -> Response:
    return Response(
        json_fields.text(row, "id"),
        json_fields.text(row, "prompt"),
        json_fields.text(row, "text", empty=True),
        json_fields.text(row, "topic", empty=True, absent=""),
    )


def _known_judgment(row: Mapping[str, object], known: Container[str]) -> Judgment:
    judgment = _judgment(row)
    for name in ("a", "b"):
        if row[name] not in known:
            raise json_fields.FieldError(name, row[name], "the id of a response in the snapshot")
    return judgment


def _judgment(row: Mapping[str, object], **names: str) -> Judgment:
    """A judgment from a row; ``names`` maps fields to other column names."""
    a, b = json_fields.text(row, names.get("a", "a")), json_fields.text(row, names.get("b", "b"))
    if a == b:
        raise json_fields.FieldError("b", b, "another response than a")
    return Judgment(
        annotator=json_fields.text(row, "annotator"),
        a=a,
        b=b,
        choice=json_fields.one_of(row, names.get("choice", "choice"), CHOICES),
        strength=_strength(row),
        swapped=json_fields.flag(row, "swapped"),
        rationale=json_fields.text(row, "rationale", empty=True, absent=""),
        tags=json_fields.texts(row, "tags"),
        judged_at=json_fields.text(row, "judged_at", empty=True, absent=""),
        part=json_fields.one_of(row, "part", PARTS, absent=""),
        slices=json_fields.texts(row, "slices"),
        repeat=json_fields.flag(row, "repeat"),
        spans=_spans(row),
        weight=_weight(row),
    )


# Flat rows: one judgment a line with both texts


def read_judgments(path: str | Path) -> Snapshot:
    """Read JSON lines (``.gz`` or plain) of ``annotator, prompt, response_a, response_b, preference`` and more.

    ``response_a_id``/``response_b_id`` are derived from the texts where absent; ``prompt`` may be a list of messages;
    ``topic``, ``rationale``, ``strength``, ``part``, ``slices`` … are optional, unknown columns are ignored. Ties stay.
    Raises ``BadData`` with line, field and reason.
    """
    responses: dict[str, Response] = {}
    judgments: list[Judgment] = []
    for number, line in enumerate(json_fields.lines(Path(path)), 1):
        judgments.append(json_fields.parsed(Path(path), number, line, lambda row: _flat_judgment(row, responses)))
    return Snapshot(responses, tuple(judgments), about={"source": Path(path).name})


def _flat_judgment(row: dict[str, object], responses: dict[str, Response]) -> Judgment:
    prompt = _prompt(row)
    topic = json_fields.text(row, "topic", empty=True, absent="")
    for side in ("a", "b"):
        text = json_fields.text(row, f"response_{side}", empty=True)
        given = json_fields.text(row, f"response_{side}_id", absent="", empty=True)
        response = Response(given or content_digest(prompt, text), prompt, text, topic)
        known = responses.setdefault(response.id, response)
        if (known.prompt, known.text) != (prompt, text):
            raise json_fields.FieldError(
                f"response_{side}_id", given, "an id that always goes with the same prompt and text"
            )
        row[f"response_{side}_id"] = known.id
    if "scores_a" in row:
        row["strength"] = None  # the gap of two ratings, on the source's own scale
    return _judgment(row, a="response_a_id", b="response_b_id", choice="preference")


# Fields of a judgment that no other file has


def _prompt(row: Mapping[str, object]) -> str:
    value = row.get("prompt")
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not all(
        isinstance(m, dict) and isinstance(m.get("role"), str) and isinstance(m.get("content"), str) for m in value
    ):
        raise json_fields.FieldError("prompt", value, "a text or a list of messages with role and content")
    return flatten_prompt(value)


def _spans(row: Mapping[str, object]) -> tuple[str, ...]:
    found = json_fields.texts(row, "spans")
    for each in found:
        if not SPAN.fullmatch(each):
            raise json_fields.FieldError("spans", each, "side, sign, start:end, such as 'a+0:12'")
    return found


def _weight(row: Mapping[str, object]) -> float:
    value = row.get("weight", 1.0)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= 1:
        raise json_fields.FieldError("weight", value, "a number above 0 and at most 1")
    return float(value)


def _strength(row: Mapping[str, object]) -> int | None:
    value = row.get("strength")
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 3):
        raise json_fields.FieldError("strength", value, "1, 2, 3 or null")
    return value
