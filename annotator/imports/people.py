"""Find or add the annotators that rows name, and the pairs that they judged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from annotator.imports.staging import Stage, fetch, run
from annotator.models import Project
from annotator.services.slots import SLOTS, slot_parameters

MAX_KNOWN = 20_000
"""Rows whose place is remembered between batches, of each kind."""

_ANNOTATORS = Stage("import_annotator", "n int, ref text, simulated bool")
_FIND_ANNOTATORS = """
SELECT s.ref, a.id, a.simulated FROM import_annotator s
  JOIN annotator_annotator a ON a.project_id = %(project)s AND a.ref = s.ref
"""
_ADD_ANNOTATORS = """
INSERT INTO annotator_annotator (project_id, ref, name, simulated, in_training, about, created_at)
SELECT %(project)s, s.ref, '', s.simulated, true, '{}', now() FROM import_annotator s
 WHERE s.ref = ANY(%(wanted)s) ORDER BY s.n ON CONFLICT DO NOTHING
"""
_PAIRS = Stage("import_pair", "n int, prompt_id bigint, a bigint, b bigint")
_FIND_PAIRS = """
SELECT s.a, s.b, p.id FROM import_pair s CROSS JOIN LATERAL (
    SELECT id FROM annotator_pair WHERE response_a_id = s.a AND response_b_id = s.b OFFSET 0) p
"""
# Imported judgments take no place of the pair's: ``taken`` counts assignments, and they have none.
_ADD_PAIRS = f"""
INSERT INTO annotator_pair (project_id, prompt_id, response_a_id, response_b_id, cap, target, taken, shuffle, gold_choice,
    qualifying, created_at)
SELECT %(project)s, s.prompt_id, s.a, s.b, c.cap, NULLIF(w.wanted, c.cap), 0, s.shuffle, '', false, now()
  FROM (SELECT *, floor(random() * 2147483647)::int AS shuffle FROM import_pair OFFSET 0) s {SLOTS.format(shuffle="s.shuffle")}
 ORDER BY s.n ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class KnownAnnotator:
    """An annotator's row, and whether a program plays them."""

    pk: int
    simulated: bool


class Annotators:
    """The project's annotators, those seen lately at hand."""

    def __init__(self, project: Project) -> None:
        self._project = project.pk
        self._known: dict[str, KnownAnnotator] = {}
        self._new: dict[str, bool] = {}

    def look_up(self, named: Iterable[tuple[str, bool]]) -> None:
        """Find which of a batch's annotators (ref, simulated) are stored."""
        if len(self._known) > MAX_KNOWN:
            self._known.clear()
        self._new = {}
        for ref, simulated in named:
            if ref not in self._known:
                self._new.setdefault(ref, simulated)
        if self._new:
            _ANNOTATORS.fill((n, ref, simulated) for n, (ref, simulated) in enumerate(self._new.items()))
            self._find()

    def is_simulated(self, ref: str) -> bool:
        """Whether that annotator, stored or first named in this batch, is simulated."""
        known = self._known.get(ref)
        return known.simulated if known else self._new[ref]

    def add(self, refs: Iterable[str]) -> int:
        """Add those looked up that are not stored; how many were."""
        wanted = {ref for ref in refs if ref not in self._known}
        if not wanted:
            return 0
        added = run(_ADD_ANNOTATORS, project=self._project, wanted=list(wanted))
        self._find()
        return added

    def get(self, ref: str) -> KnownAnnotator:
        return self._known[ref]

    def _find(self) -> None:
        for ref, pk, simulated in fetch(_FIND_ANNOTATORS, project=self._project):
            self._known[ref] = KnownAnnotator(pk, simulated)


class Pairs:
    """The project's pairs by their two responses, the older first; those seen lately at hand."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._known: dict[tuple[int, int], int] = {}

    def find_or_add(self, wanted: Iterable[tuple[int, int, int]]) -> int:
        """Make (prompt, a, b) known, for a before b; how many pairs are new."""
        if len(self._known) > MAX_KNOWN:
            self._known.clear()
        new = {(a, b): (prompt, a, b) for prompt, a, b in wanted if (a, b) not in self._known}
        if not new:
            return 0
        _PAIRS.fill((n, *pair) for n, pair in enumerate(new.values()))
        added = run(_ADD_PAIRS, project=self._project.pk, **slot_parameters(self._project))
        self._known.update(((a, b), pk) for a, b, pk in fetch(_FIND_PAIRS))
        return added

    def get(self, a: int, b: int) -> int:
        return self._known[(a, b)]
