"""What an export is asked for, and what it counted on the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, get_args

from django.utils.translation import gettext as _

from annotator.errors import Invalid

Format = Literal["judgments", "trl", "pairs", "people", "known"]
FileType = Literal["jsonl", "csv", "zip"]
Sides = Literal["pair", "shown"]
FORMATS: tuple[Format, ...] = get_args(Format)
FILE_TYPES: tuple[FileType, ...] = get_args(FileType)
SIDES: tuple[Sides, ...] = get_args(Sides)


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """``format`` judgments as kept; trl: preference rows with an explicit prompt; pairs: aggregated answers and the last
    word; people: figures of each annotator; known: known answers with their texts. ``type`` of the file; a zip holds
    judgments or known answers and the pictures they are of.

    ``sides``: ``a`` and ``b`` are the pair's own (``swapped`` says if b was on the left), or as shown, ``a`` on the left.
    ``revisions`` adds judgments that were changed or withdrawn since. Both are for judgments only. Raises ``Invalid``.
    """

    format: Format = "judgments"
    type: FileType = "jsonl"
    sides: Sides = "pair"
    revisions: bool = False

    def __post_init__(self) -> None:
        allowed = {"format": FORMATS, "type": FILE_TYPES, "sides": SIDES}
        fields = {
            name: _("“%(value)s” is not one of %(known)s.") % {"value": getattr(self, name), "known": ", ".join(values)}
            for name, values in allowed.items()
            if getattr(self, name) not in values
        }
        if self.type == "zip" and self.format not in ("judgments", "known"):
            fields.setdefault("type", _("A zip is for judgments and known answers, with their pictures."))
        if fields:
            raise Invalid(" ".join(fields.values()), fields=fields)


@dataclass(slots=True)
class Tally:
    """Rows written, and judgments left out, by why. Complete once the export has run to its end."""

    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        if not self.left_out:
            return f"{self.rows:,} rows"
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(self.left_out.items()))
        return f"{self.rows:,} rows; left out: {reasons}"
