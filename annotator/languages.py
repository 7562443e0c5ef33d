"""In which language a text probably is, as far as its script tells, so that screen readers choose a fitting voice."""

from __future__ import annotations

import re

_LOOKED_AT = 2_000
"""Characters."""
_SCRIPTS = {
    "ar": "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufeff",
    "he": "\u0590-\u05ff\ufb1d-\ufb4f",
    "ru": "\u0400-\u052f",
    "el": "\u0370-\u03ff\u1f00-\u1fff",
    "hi": "\u0900-\u097f",
    "th": "\u0e00-\u0e7f",
    "ko": "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af",
    "ja": "\u3040-\u30ff",
    "zh": "\u3400-\u4dbf\u4e00-\u9fff",
}
"""The likely language of each script (Unicode CLDR, likely subtags), by the ranges of its letters."""
_OF_SCRIPT = {language: re.compile(f"[{ranges}]") for language, ranges in _SCRIPTS.items()}
_LETTERS = re.compile(r"[^\W\d_]")


def language_of(text: str) -> str:
    """A language tag where most letters are of one script that is not Latin; else empty: HTML's word for “unknown”."""
    if text.isascii():
        return ""
    text = text[:_LOOKED_AT]
    found = {language: len(script.findall(text)) for language, script in _OF_SCRIPT.items()}
    if found["ja"]:  # Japanese has Chinese characters between its own
        found["ja"] += found.pop("zh")
    likely = max(found, key=lambda language: found[language])
    return likely if 2 * found[likely] > len(_LETTERS.findall(text)) else ""
