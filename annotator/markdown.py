"""Markdown of prompts and responses to safe HTML: no raw HTML, no images from elsewhere, no script.

With the HTML comes where each piece of its text stands in the source, so that a stretch which somebody marks on the page
can be kept as a stretch of the source. Inline rules of the parser are watched while they run; nothing is guessed from
the finished HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import unescape
from itertools import groupby
from typing import Any, Literal, NamedTuple

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

_BLOCKS = {"blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "ul"}
_TABLES = {"table", "tbody", "td", "th", "thead", "tr"}
_INLINE = {"a", "b", "br", "code", "del", "em", "s", "strong", "sub", "sup"}
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}, "th": {"align"}, "td": {"align"}}
_TAG = re.compile(r'<(?:"[^"]*"|[^">])*>')
_LINE_ENDS = re.compile(r"\r\n?|\n")


class Run(NamedTuple):
    """A piece of the rendered text and where it comes from, in code points.

    ``at`` is its place in the text of the HTML, ``start`` in the source. Where ``length`` and ``source_length`` are the
    same, character answers to character; otherwise (an entity, a link that reads differently) it is one whole.
    """

    at: int
    start: int
    length: int
    source_length: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """Sanitised HTML, the text a reader sees in it, and the runs in their order. No runs: its places are not known."""

    html: SafeString
    text: str
    runs: tuple[Run, ...]

    def seen(self, start: int, end: int) -> str:
        """What a reader sees of the source from ``start`` to ``end``; runs that are one whole count if any of it is in."""
        parts = []
        for run in self.runs:
            low, high = max(start, run.start), min(end, run.start + run.source_length)
            if low >= high:
                continue
            if run.length == run.source_length:
                low, high = low - run.start, high - run.start
            else:
                low, high = 0, run.length
            parts.append(self.text[run.at + low : run.at + high])
        return "".join(parts)

    @property
    def map(self) -> str:
        """The runs for the page: ``gap.skip.length`` or ``gap.skip.length.source length``, each from the end of the last."""
        words, at, start = [], 0, 0
        for run in self.runs:
            whole = "" if run.length == run.source_length else f".{run.source_length}"
            words.append(f"{run.at - at}.{run.start - start}.{run.length}{whole}")
            at, start = run.at + run.length, run.start + run.source_length
        return " ".join(words)


@lru_cache(maxsize=4096)
def render(text: str) -> Rendered:
    """HTML of ``text`` with its map; headings start at h3, below the page's own."""
    environment: dict[str, Any] = {"pieces": []}
    tokens = _parser.parse(text, environment)
    html = nh3.clean(
        _parser.renderer.render(tokens, _parser.options, environment),
        tags=_BLOCKS | _TABLES | _INLINE,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer",
    )
    for level in (2, 1):
        html = html.replace(f"<h{level}>", "<h3>").replace(f"</h{level}>", "</h3>")
    seen = unescape(_TAG.sub("", html))
    runs = _runs(seen, _pieces(text, tokens, environment["pieces"]))
    return Rendered(mark_safe(html), seen, tuple(runs))  # noqa: S308 — cleaned by nh3 above


def render_markdown(text: str) -> SafeString:
    """The HTML alone."""
    return render(text).html


# --- inline: where each character of a token stands in its block ---------------------------------------------------


class Stretch(NamedTuple):
    """``length`` characters of a text that come from ``source_length`` of its block, or of the source, from ``start``.

    Where the two are the same, character answers to character.
    """

    start: int
    length: int
    source_length: int


Piece = tuple[str, list[Stretch]]
"""Some text, and the stretches that its characters come from."""


_PENDING: Any = StateInline.pending


class _Watched(StateInline):
    """Keeps with each token the position at which it was made, with literal text that of every stretch."""

    def __init__(self, src: str, md: MarkdownIt, env: Any, tokens: list[Token]) -> None:
        self._stretches: list[Stretch] = []
        super().__init__(src, md, env, tokens)

    def _set_pending(self, value: str) -> None:
        """Rules only ever take spaces off the end in this way."""
        left, kept = len(value), []
        for stretch in self._stretches:
            if left > 0:
                kept.append(_plain(stretch.start, min(stretch.length, left)))
            left -= stretch.length
        self._stretches = kept
        _PENDING.fset(self, value)

    pending = property(_PENDING.fget, _set_pending)

    def append_pending(self, text: str) -> None:
        self._stretches.append(_plain(self.pos, len(text)))
        super().append_pending(text)

    def pushPending(self) -> Token:  # noqa: N802 — the library's name
        stretches = self._stretches
        token = super().pushPending()
        token.meta = {"stretches": stretches}
        return token

    def push(self, ttype: str, tag: str, nesting: Literal[-1, 0, 1]) -> Token:
        token = super().push(ttype, tag, nesting)
        token.meta = {"from": self.pos}
        return token


def _plain(start: int, length: int) -> Stretch:
    return Stretch(start, length, length)


def _keep_pieces(state: StateInline) -> None:
    """The last inline rule before text tokens are joined: every piece of text with its place."""
    same, beside = -1, 0  # delimiters of one run are pushed from the same position, one after the other
    pieces: list[Piece] = []
    for token in state.tokens:
        begin = token.meta.get("from", -1)
        if token.type == "text" and "stretches" in token.meta:
            pieces.append((token.content, token.meta["stretches"]))
        elif token.type == "text":
            same, beside = (same, beside) if begin == same else (begin, 0)
            pieces.append(_pushed_text(state.src, token.content, begin + beside))
            beside += len(token.content)
        elif token.type == "text_special":
            pieces.append(_special(token, begin))
        elif token.type == "code_inline":
            pieces.append(_code(state.src, token, begin))
        elif token.type == "softbreak":
            pieces.append(("\n", [_plain(begin, 1)]))
        elif begin == same:  # a delimiter that has become a tag
            beside += len(token.markup)
        elif begin >= 0 and token.type.endswith(("_open", "_close")) and token.markup != "autolink":
            same, beside = begin, len(token.markup)
    state.env["pieces"].append([piece for piece in pieces if piece[0]])


def _pushed_text(src: str, content: str, begin: int) -> Piece:
    """A delimiter, or the text of an autolink, which may read differently from its address."""
    for at in (begin, begin + 1):
        if src.startswith(content, at):
            return content, [_plain(at, len(content))]
    end = src.find(">", begin)
    return content, [Stretch(begin + 1, len(content), end - begin - 1)]


def _special(token: Token, begin: int) -> Piece:
    if token.info == "escape" and len(token.content) == 1:
        return token.content, [_plain(begin + 1, 1)]
    return token.content, [Stretch(begin, len(token.content), len(token.markup))]


def _code(src: str, token: Token, begin: int) -> Piece:
    begin += len(token.markup)
    if src[begin : begin + len(token.content)].replace("\n", " ") != token.content:
        begin += 1  # one space on each side is taken off
    return token.content, [_plain(begin, len(token.content))]


class _WatchingParser(ParserInline):
    def parse(self, src: str, md: MarkdownIt, env: Any, tokens: list[Token]) -> list[Token]:
        state = _Watched(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens


def _make_parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark")
    parser.inline = _WatchingParser()
    parser.configure("commonmark", {"html": False, "linkify": False})
    parser.inline.ruler2.before("fragments_join", "keep_pieces", _keep_pieces)
    parser.inline.ruler2.enable("keep_pieces")
    # An image from elsewhere is not loaded: what is left of it is a link to it.
    return parser.enable(["table", "strikethrough"]).disable("image")


_parser = _make_parser()


# --- blocks: where each line of a block stands in the source --------------------------------------------------------


class _Lines:
    """The source as the parser sees it: with one kind of line end, and where each line begins."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines: list[str] = []
        self.begins: list[int] = []
        begin = 0
        for end in _LINE_ENDS.finditer(source):
            self._add(begin, end.start())
            begin = end.end()
        self._add(begin, len(source))

    def _add(self, begin: int, end: int) -> None:
        self.lines.append(self.source[begin:end].replace("\0", "\ufffd"))
        self.begins.append(begin)

    def of(self, content: str, first: int) -> Sequence[int]:
        """The place of each character of ``content``, whose lines are the ends of the source's lines from ``first``."""
        if first < len(self.lines):
            at = self.begins[first] + self._column(self.lines[first], content.partition("\n")[0])
            if at >= self.begins[first] and self.source.startswith(content, at):
                return range(at, at + len(content))
        places: list[int] = []
        for number, line in enumerate(content.split("\n"), start=first):
            if number >= len(self.lines):
                places += [len(self.source)] * (len(line) + 1)
                continue
            begin, end = self.begins[number], self.begins[number] + len(self.lines[number])
            at = begin + self._column(self.lines[number], line)
            places += [min(max(at + n, begin), max(end - 1, begin)) for n in range(len(line))]
            places.append(end)
        return places[: len(content)]

    def _column(self, line: str, content: str) -> int:
        """Where ``content`` begins in ``line``: it ends where the line does, but for blanks and a heading's closing marks."""
        if line.endswith(content):
            return len(line) - len(content)
        bare = content.rstrip()
        if line.rstrip().endswith(bare):
            return len(line.rstrip()) - len(bare)
        if (found := line.rstrip().rfind(bare)) >= 0:
            return found
        inner = bare.lstrip()  # tabs that were turned into spaces stand before it
        return max(line.rfind(inner), 0) - (len(bare) - len(inner))

    def of_heading(self, content: str, markup: str, line: int) -> list[int]:
        begin = self.lines[line].index(markup) + len(markup)
        at = self.begins[line] + self.lines[line].index(content, begin)
        return list(range(at, at + len(content) + 1))

    def of_cell(self, content: str, line: int, column: int) -> tuple[list[int], int]:
        """The places of a table's cell, searched from ``column``, and the column after it. ``\\|`` reads as ``|``."""
        text = self.lines[line]
        while column < len(text) and text[column] in "| \t":
            column += 1
        places = []
        for char in content:
            if text[column] != char and text[column : column + 2] == "\\|":
                column += 1
            places.append(self.begins[line] + column)
            column += 1
        return [*places, self.begins[line] + column], column


def _pieces(source: str, tokens: Sequence[Token], inline: Iterable[list[Piece]]) -> Iterator[Piece]:
    """Every piece of text in the order of the page, its characters' stretches in the source."""
    lines, found = _Lines(source), iter(inline)
    row, column = -1, 0
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type in ("fence", "code_block"):
            assert token.map
            code = token.content.rstrip("\n")
            places = lines.of(code, token.map[0] + (token.type == "fence"))
            yield code, _in_source([_plain(0, len(code))] if code else [], places)
        elif token.type == "inline":
            assert token.map
            first = token.map[0]
            heading = before.markup if before and before.type == "heading_open" else ""
            if before and before.type in ("th_open", "td_open"):
                row, column = first, column if row == first else 0
                places, column = lines.of_cell(token.content, first, column)
            elif heading.startswith("#"):
                places = lines.of_heading(token.content, heading, first)
            else:
                places = lines.of(token.content, first)
            for text, stretches in next(found):
                yield text, _in_source(stretches, places)


def _in_source(stretches: Iterable[Stretch], places: Sequence[int]) -> list[Stretch]:
    """Stretches of a block as stretches of the source, by the place of each of the block's characters."""
    if isinstance(places, range):
        return [Stretch(places.start + each.start, each.length, each.source_length) for each in stretches]
    found: list[Stretch] = []
    for start, length, source_length in stretches:
        mapped = places[start : start + source_length]
        first = mapped[0]
        if length != source_length:
            found.append(Stretch(first, length, mapped[-1] + 1 - first))
        elif mapped == list(range(first, first + length)):
            found.append(_plain(first, length))
        else:
            for place, same in groupby(mapped):  # a tab that was turned into spaces is one whole
                found.append(Stretch(place, len(list(same)), 1))
    return found


def _runs(seen: str, pieces: Iterable[Piece]) -> list[Run]:
    """The pieces found again in what a reader sees, where nothing but blanks stands between them; else none at all."""
    cursor = 0
    runs: list[Run] = []
    for text, stretches in pieces:
        while not seen.startswith(text, cursor):
            if cursor >= len(seen) or not seen[cursor].isspace():
                return []
            cursor += 1
        runs.extend(_runs_of(cursor, stretches))
        cursor += len(text)
    return runs


def _runs_of(at: int, stretches: Iterable[Stretch]) -> Iterator[Run]:
    """Neighbours that are neighbours in the source as well are one run."""
    run: Run | None = None
    for start, length, source_length in stretches:
        plain = length == source_length
        if run and plain and run.length == run.source_length and run.start + run.length == start:
            run = Run(run.at, run.start, run.length + length, run.length + length)
        else:
            if run:
                yield run
            run = Run(at, start, length, source_length)
        at += length
    if run:
        yield run
