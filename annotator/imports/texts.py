"""Find or add the prompts and responses that rows name, by their ids or, without ids, by what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.utils.translation import gettext as _

from annotator.imports.errors import BadRow
from annotator.imports.rows import PromptText, ResponseText
from annotator.imports.staging import Stage, fetch, packed, run
from annotator.services.content import short_ref

Key = tuple[int, str, bool]
"""Whose text it is (the project's or the prompt's pk), its id or digest, and whether that is an id."""
MAX_KNOWN = 20_000
"""Texts whose place is remembered between batches."""

Text = TypeVar("Text", PromptText, ResponseText)

# By its id where the file gives one; else by what it says, the oldest of several.
_FIND = """
SELECT s.n, t.* FROM {stage} s CROSS JOIN LATERAL (
    SELECT id, digest, {about}, {picture} FROM {table} WHERE {owner} = s.owner AND ref = s.ref OFFSET 0) t WHERE s.given
UNION ALL
SELECT s.n, t.* FROM {stage} s CROSS JOIN LATERAL (
    SELECT id, digest, {about}, {picture} FROM {table} WHERE {owner} = s.owner AND digest = s.digest ORDER BY id LIMIT 1) t
 WHERE NOT s.given
"""
_ADD = """
INSERT INTO {table} ({owner}, ref, digest, {about}, text, about, created_at{more})
SELECT s.owner, s.ref, s.digest, s.about, s.text, s.extra, now(){staged_more} FROM {stage} s
 WHERE s.n = ANY(%(wanted)s) AND s.given = %(given)s
   AND (s.given OR NOT EXISTS (SELECT 1 FROM {table} t WHERE t.{owner} = s.owner AND t.digest = s.digest OFFSET 0))
 ORDER BY s.n ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Known:
    """A stored text: its row, what it says, and its topic or source."""

    pk: int
    digest: str
    about: str
    picture: int | None


class Texts(Generic[Text]):
    """One of the two tables, with the texts seen lately. ``look_up``, then ``is_as_known``, then ``add``, then ``get``."""

    def __init__(
        self,
        *,
        table: str,
        owner: str,
        about: str,
        more: Mapping[str, str],
        cells: Callable[[Text], tuple[object, ...]],
    ) -> None:
        columns = "n int, owner bigint, ref text, given bool, digest text, about text, text text, extra jsonb"
        self._stage = Stage(f"import_{table}", columns + "".join(f", {name} {kind}" for name, kind in more.items()))
        self._names = {"table": table, "owner": owner, "about": about, "stage": self._stage.name} | {
            "picture": "picture_id" if "picture_id" in more else "NULL::bigint",
            "more": "".join(f", {name}" for name in more),
            "staged_more": "".join(f", s.{name}" for name in more),
        }
        self._cells: Callable[[Text], tuple[object, ...]] = cells
        self._known: dict[Key, Known] = {}
        self._new: dict[Key, Text] = {}

    def look_up(self, texts: Iterable[tuple[Key, Text]]) -> None:
        """Find which of a batch's texts are stored. The first text under a key is what the key stands for."""
        if len(self._known) > MAX_KNOWN:
            self._known.clear()
        self._new = {}
        for key, text in texts:
            if key not in self._known:
                self._new.setdefault(key, text)
        if self._new:
            self._stage.fill(self._row(n, key, text) for n, (key, text) in enumerate(self._new.items()))
            self._find()

    def is_as_known(self, key: Key, text: Text) -> bool:
        """Whether the key stands for this text, stored or earlier in the file, and no other."""
        stands_for = self._known.get(key) or self._new[key]
        if stands_for.digest != text.digest or isinstance(text, PromptText):
            return stands_for.digest == text.digest
        if text.picture and text.picture_id is None:  # a dry run keeps none
            return True
        picture = stands_for.picture if isinstance(stands_for, Known) else stands_for.picture_id
        return picture == text.picture_id

    def add(self, keys: Iterable[Key]) -> int:
        """Add those of the keys looked up that are not stored, in their order in the file; how many were."""
        wanted = {key for key in keys if key not in self._known}
        if not wanted:
            return 0
        numbers = [n for n, key in enumerate(self._new) if key in wanted]
        sql = _ADD.format(**self._names)
        added = sum(run(sql, wanted=numbers, given=given) for given in sorted({key[2] for key in wanted}, reverse=True))
        self._find()
        return added

    def get(self, key: Key) -> Known:
        """Where the text is now. Raises ``BadRow`` where the short digest that stands for it is another text's id."""
        try:
            return self._known[key]
        except KeyError:
            expected = _("no text whose id is the beginning of another text's digest")
            raise BadRow("id_reused", "", short_ref(key[1]), expected) from None

    def _row(self, n: int, key: Key, text: Text) -> tuple[object, ...]:
        ref = text.ref or short_ref(text.digest)
        return (n, key[0], ref, key[2], text.digest, *self._cells(text))

    def _find(self) -> None:
        keys = list(self._new)
        for n, *known in fetch(_FIND.format(**self._names)):
            self._known[keys[n]] = Known(*known)


def prompts() -> Texts[PromptText]:
    """The project's prompts."""
    return Texts(
        table="annotator_prompt", owner="project_id", about="topic", more={"messages": "jsonb"}, cells=_prompt_cells
    )


def responses() -> Texts[ResponseText]:
    """The prompts' responses."""
    more = {"picture_id": "bigint", "after": "jsonb", "consequence": "text"}
    return Texts(table="annotator_response", owner="prompt_id", about="source", more=more, cells=_response_cells)


def key_of(owner: int, text: PromptText | ResponseText) -> Key:
    """By its id where it has one, else by what it says."""
    return (owner, text.ref, True) if text.ref else (owner, text.digest, False)


def _prompt_cells(text: PromptText) -> tuple[object, ...]:
    return text.topic, text.text, packed(text.about or {}), packed(text.messages)


def _response_cells(text: ResponseText) -> tuple[object, ...]:
    after = packed(text.after) if text.after else "[]"
    return text.source, text.text, packed(text.about or {}), text.picture_id, after, text.consequence
