"""What any text from outside must be before it may go into the database."""

from __future__ import annotations


def text_problem(text: object, *, limit: int) -> str:
    """What is wrong with ``text``, in words for its author; empty if nothing is.

    Postgres takes neither NUL characters nor halves of surrogate pairs; ``limit`` is in code points.
    """
    if not isinstance(text, str):
        return f"This must be text, not {type(text).__name__}."
    if "\x00" in text:
        return f"Character {text.index(chr(0)) + 1} is NUL (U+0000), which cannot be stored."
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return (
            f"Character {error.start + 1} is half of a surrogate pair (U+{ord(text[error.start]):04X}): no valid text."
        )
    if len(text) > limit:
        return f"This has {len(text):,} characters; at most {limit:,} are allowed."
    return ""
