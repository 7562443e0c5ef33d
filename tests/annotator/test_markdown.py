"""Markdown to HTML, and where each piece of what is read stands in the source."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.markdown import Rendered, render


def source_of(text: str, words: str) -> str:
    """What stands in the source where a reader sees ``words``: how the page finds it."""
    rendered = render(text)
    begin = rendered.text.index(words)
    places = [
        (run.start + offset, run.start + offset + 1)
        if run.length == run.source_length
        else (run.start, run.start + run.source_length)
        for run in rendered.runs
        for offset in range(run.length)
        if begin <= run.at + offset < begin + len(words)
    ]
    return text[min(start for start, _ in places) : max(end for _, end in places)]


@pytest.mark.parametrize(
    ("text", "words", "quote"),
    [
        ("Boil it for ten minutes.", "ten minutes", "ten minutes"),
        ("Boil **it slowly** for *ten* minutes.", "it slowly for ten", "it slowly** for *ten"),
        ("**a** a _a_ a", "a a a", "a** a _a"),
        ("One\ntwo\n\nthree **four**", "two", "two"),
        ("# Title one #\n\nText", "Title one", "Title one"),
        ("Title\nline\n=====\n\nText", "Title\nline", "Title\nline"),
        ("- one\n- two *bold*\n  more\n", "two bold\nmore", "two *bold*\n  more"),
        ("1. first\n2. second", "second", "second"),
        ("> quoted **text**\n> goes on", "text\ngoes", "text**\n> goes"),
        ("> - deep\n>   deeper `code`", "deeper code", "deeper `code"),
        ("```py\nx = 1\n  y = `2`\n```\nend", "y = `2`", "y = `2`"),
        ("> ```\n> x = 1\n> y\n> ```", "x = 1\ny", "x = 1\n> y"),
        ("    indented code\n    more", "code\nmore", "code\n    more"),
        ("\tindented by a tab", "indented by", "indented by"),
        ("- item\n\n\t\tcode\tin it", "code\tin", "code\tin"),
        ("see [the docs](http://x.example/the 'the docs') to", "docs", "docs"),
        ("see [the](http://x.example/t)to", "theto", "the](http://x.example/t)to"),
        ("go <https://x.example/a> now", "https://x.example/a now", "https://x.example/a> now"),
        ("go <me@x.example>", "me@x", "me@x"),
        ("[text][r] t\n\n[r]: http://x.example", "text t", "text][r] t"),
        ("fish &amp; chips &lt;3", "fish & chips <", "fish &amp; chips &lt;"),
        (r"5 \* 4 \n", "* 4", r"* 4"),
        ("a `` code ` tick `` b", "code ` tick b", "code ` tick `` b"),
        ("|a|b|\n|-|-|\n|x \\| y|**z**|\n|1|2|", "x | y", "x \\| y"),
        ("| a | b |\n|---|---|\n| same | same |\n", "same", "same"),
        ("~~old~~ new ~~~x", "old new", "old~~ new"),
        ("***both*** and **half*", "both and *half", "both*** and **half"),
        ("a*b*c*d", "abc*d", "a*b*c*d"),
        ("line one  \nline two", "one\nline", "one  \nline"),
        ("line one\\\nline two", "one\nline", "one\\\nline"),
        ("One\r\ntwo **b**\r\n\r\n- three", "two b", "two **b"),
        ("👩‍🍳 cooks 🍳 **well** 👍🏽", "🍳 well 👍🏽", "🍳 **well** 👍🏽"),
        ("nai\u0308ve *cafe\u0301* é", "cafe\u0301 é", "cafe\u0301* é"),
        ("قال **مرحبا** بك", "مرحبا بك", "مرحبا** بك"),
        ("![a picture](http://x.example/p.png) here", "picture here", "picture](http://x.example/p.png) here"),
        ("<b>not html</b> & so", "<b>not html</b> &", "<b>not html</b> &"),
    ],
)
def test_what_is_read_is_found_in_the_source(text: str, words: str, quote: str) -> None:
    assert source_of(text, words) == quote


def check(text: str) -> Rendered:
    """Everything that is read has its place, in order, and one-to-one runs say the same in both."""
    rendered = render(text)
    covered = "".join(rendered.text[run.at : run.at + run.length] for run in rendered.runs)
    assert re.sub(r"\s", "", covered) == re.sub(r"\s", "", rendered.text)
    at = start = 0
    for run in rendered.runs:
        assert run.at >= at
        assert run.start >= start
        assert run.length > 0
        at, start = run.at + run.length, run.start + run.source_length
        if run.length == run.source_length > 1:
            seen, said = rendered.text[run.at : at], text[run.start : start].replace("\0", "\ufffd")
            assert re.sub(r"\s", " ", seen) == re.sub(r"\s", " ", said)
    assert start <= len(text)
    return rendered


FRAGMENTS = [
    *(
        "*",
        "**",
        "_",
        "`",
        "``",
        "~~",
        "[",
        "](x)",
        "](",
        ")",
        "!",
        "<",
        ">",
        "&amp;",
        "&",
        "\\",
        "|",
        "#",
        "- ",
        "1. ",
    ),
    *("\n", "\n\n", "\n> ", "\n- ", "\n    ", "\n```\n", "\n\t", "  \n", "---", "|-|-|\n", "| a | b |\n", "\r\n"),
    *(
        "word",
        "two words",
        "é",
        "e\u0301",
        "👩‍🍳",
        "עברית",
        "1",
        " ",
        "  ",
        "http://x.example",
        "<https://x.example>",
        "\t",
    ),
]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join))
def test_any_markdown_has_its_places(text: str) -> None:
    check(text)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80))
def test_any_text_has_its_places(text: str) -> None:
    check(text)


def test_a_tab_of_which_a_list_takes_a_part_is_one_whole() -> None:
    assert [*check("- ``a\n\t``b").runs] == [(1, 4, 2, 2), (3, 6, 2, 1), (5, 9, 1, 1)]
    assert [*check(" ```\n\t\n").runs] == [(0, 5, 3, 1)]


def test_the_map_for_the_page_is_short() -> None:
    text = "Boil **it** for &lt; ten minutes.\n\n" * 20
    rendered = check(text)
    assert rendered.map.startswith("0.0.5 0.2.2 0.2.5 0.0.1.4 0.0.13")
    assert len(rendered.map) < len(text)


def test_what_a_reader_sees_of_a_stretch() -> None:
    text = "Boil **it** for &lt; ten"
    assert render(text).seen(2, 9) == "il it"[:5]
    assert render(text).seen(16, 18) == "<"
    assert render(text).seen(5, 7) == ""


def test_no_html_and_no_script_from_data() -> None:
    html = render("<script>x</script> <img src=x> [x](javascript:alert(1)) ![p](http://x.example/p.png)").html
    assert "<script" not in html
    assert "<img" not in html
    assert "javascript:" not in html.replace("(javascript:alert(1))", "")
    assert 'href="http://x.example/p.png"' in html
