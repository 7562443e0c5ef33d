"""Italian: chosen on the account or asked for by the browser, compiled as it is written, complete where people judge."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils.translation.template import templatize

from annotator.models import Project
from tests.annotator.test_page_judge import HTMX, address, get_form
from tests.factories import ThreePeople, login, make_user

CATALOGUE = Path(settings.LOCALE_PATHS[0]) / "it" / "LC_MESSAGES"
PACKAGES = ("annotator", "config", "personalization", "training")
_CALL = re.compile(r"""\b(_|\w*gettext)\(((?:\s*u?(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*,?)+)""")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


def written() -> dict[str, tuple[str, list[str]]]:
    """The catalogue's source: each message with its plural and its translations."""
    found = {}
    for block in (CATALOGUE / "django.po").read_text().split("\n\n")[1:]:
        parts = re.findall(r'^(msg\w+(?:\[\d\])?) ((?:"(?:[^"\\]|\\.)*"\n?)+)', block, re.MULTILINE)
        texts = {name: "".join(_QUOTED.findall(text)).replace('\\"', '"').replace("\\n", "\n") for name, text in parts}
        translations = [text for name, text in texts.items() if name.startswith("msgstr")]
        found[texts["msgid"]] = (texts.get("msgid_plural", ""), translations)
    return found


def in_python(source: str) -> Iterator[tuple[str, list[str]]]:
    """What is given to gettext and its kin, under whatever name they are imported. What is filled in beforehand shows as code."""
    nodes = list(ast.walk(ast.parse(source)))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation"]
    called = {name.asname or name.name: name.name for node in imports for name in node.names if "gettext" in name.name}
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in called:
            literal = [each for each in node.args if isinstance(each, ast.Constant | ast.JoinedStr | ast.BinOp)]
            texts = [str(each.value) if isinstance(each, ast.Constant) else ast.unparse(each) for each in literal]
            if texts:
                yield called[node.func.id], texts


def in_template(source: str) -> Iterator[tuple[str, list[str]]]:
    """The same of a template, as ``makemessages`` reads it."""
    for call, texts in _CALL.findall(templatize(source)):
        yield call, list(ast.literal_eval(f"({texts.rstrip(', ')},)"))


def said() -> dict[str, list[tuple[str, list[str]]]]:
    """The texts that are to be translated, by file."""
    root = Path(settings.BASE_DIR)
    code = [path for package in PACKAGES for path in (root / package).rglob("*.py")]
    templates = [path for path in (root / "templates").rglob("*") if path.suffix in (".html", ".txt")]
    read = {path: in_python(path.read_text()) for path in code} | {
        path: in_template(path.read_text()) for path in templates
    }
    return {str(path.relative_to(root)): list(calls) for path, calls in sorted(read.items())}


def test_all_that_is_said_is_in_the_catalogue() -> None:
    """Run ``makemessages`` and translate (CONTRIBUTING.md) where this names something."""
    catalogue = written()
    missing = []
    for file, calls in said().items():
        for call, texts in calls:
            plural, translations = catalogue.get(texts[0], ("", []))
            counted = call.startswith("n") and plural != texts[1]
            if not translations or not all(translations) or counted:
                missing.append(f"{file}: {' / '.join(texts)!r}")
    assert missing == []


def test_the_catalogue_holds_nothing_else() -> None:
    everything = {texts[0] for calls in said().values() for _, texts in calls}
    assert sorted(set(written()) - everything) == []


def test_calls_are_found_under_any_name_and_in_any_tag() -> None:
    code = (
        "from django.utils.translation import gettext as _, gettext_noop, ngettext as many\n"
        "_('one ' 'two'); gettext_noop(text); many('%d a', '%d b', n); other('no'); _(f'{n} left')"
    )
    assert list(in_python(code)) == [
        ("gettext", ["one two"]),
        ("ngettext", ["%d a", "%d b"]),
        ("gettext", ["f'{n} left'"]),
    ]
    template = (
        """{% translate "a 'b'" %}<p title="{{ x|default:_("c") }}">no</p>{% blocktranslate trimmed %}d\n "e" 5%"""
        """{% endblocktranslate %}{% blocktranslate count n=x %}one{% plural %}{{ n }} more{% endblocktranslate %}"""
    )
    assert [texts for _, texts in in_template(template)] == [["a 'b'"], ["c"], ['d "e" 5%%'], ["one", "%(n)s more"]]


def test_what_is_compiled_is_what_is_written() -> None:
    with (CATALOGUE / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for message, (plural, translations) in written().items():
        if not all(translations):
            continue
        if plural:
            assert [compiled.ngettext(message, plural, n) for n in (1, 2)] == translations
        else:
            assert compiled.gettext(message) == translations[0]


def test_nothing_is_untranslated_or_guessed() -> None:
    """Empty translations, and those that gettext carried over from a message that read alike."""
    assert [message for message, (_, translations) in written().items() if not all(translations)] == []
    assert "fuzzy" not in (CATALOGUE / "django.po").read_text()


def test_translations_keep_what_is_filled_in() -> None:
    for message, (plural, translations) in written().items():
        for original, translation in zip([message, plural or message], translations, strict=False):
            if translation:
                marks = re.compile(r"%\(\w+\)[sd]|%%|\{\w+\}|%d")
                assert sorted(marks.findall(original)) == sorted(marks.findall(translation)), message


@pytest.mark.django_db
def test_an_account_has_its_language(people: ThreePeople, annotator_client: Client) -> None:
    fields = {"language": "it", "text_size": "m", "line_length": "normal", "break_minutes": "45", "shortcuts": "on"}
    assert annotator_client.post(reverse("account"), fields).status_code == 302
    reply = annotator_client.get(address(people))
    html = reply.content.decode()
    assert '<html lang="it"' in html
    assert reply["Content-Language"] == "it"
    assert "A molto meglio" in html
    form = get_form(annotator_client, people)
    wrong = annotator_client.post(address(people), form, headers=HTMX).content.decode()
    assert "Scegli uno dei sette gradi" in wrong
    english = annotator_client.post(reverse("account"), fields | {"language": "en"}, headers={"Accept-Language": "it"})
    assert english.status_code == 302
    assert "A much better" in annotator_client.get(address(people), headers={"Accept-Language": "it"}).content.decode()
    assert annotator_client.post(reverse("account"), fields | {"language": "xx"}).status_code == 422


@pytest.mark.django_db
def test_a_browser_is_answered_in_its_language() -> None:
    html = Client().get("/accounts/login/", headers={"Accept-Language": "it-IT,it;q=0.9"}).content.decode()
    assert '<html lang="it"' in html
    assert "Password dimenticata?" in html
    assert '<html lang="en"' in Client().get("/accounts/login/", headers={"Accept-Language": "de"}).content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("page", ["judge", "history"])
def test_nothing_is_left_in_english_where_people_judge(
    people: ThreePeople, annotator_client: Client, page: str
) -> None:
    people.annotator.language = "it"
    people.annotator.save()
    html = annotator_client.get(reverse(page, args=[people.project.slug])).content.decode()
    left = [message for message, (_, translations) in written().items() if len(message) > 12 and not all(translations)]
    assert [message for message in left if f">{message}<" in html or f'"{message}"' in html] == []


NAMES = {"Attune", "· Attune", "sha256", "msg_", "Aa", "CSV", "JSONL", "TRL", "ZIP"}
"""What templates say that has no language: names of ours, of digests, messages and files, and a sample of letters."""
SAYING = r"title|alt|placeholder|label|aria-(?:label|description|valuetext)|data-(?!for\b)\w+"


def plain_in_template(source: str) -> Iterator[str]:
    """Words of a template that no tag translates: texts, attributes that are shown or spoken, and what includes are told."""
    for told in re.findall(r"{%\s*include\b(.*?)%}", source):
        words = [text for name, text in re.findall(r'(\w+)="([^"]*)"', told) if not name.endswith("class")]
        yield from (text for text in words if re.search(r"^[A-Z]|\s", text) and text not in NAMES)
    whole = r"(?s){%\s*blocktranslate.*?endblocktranslate\s*%}|{#.*?#}|{%\s*block \w+\s*%}[a-z]+{%\s*endblock\s*%}"
    rest = re.sub(r"(?s){%.*?%}|{{.*?}}", "\0", re.sub(whole, "\0", source))
    rest = re.sub(r"(?s)<!--.*?-->|<(style|script|pre|code|kbd)\b.*?</\1>", "\0", rest)
    spoken = re.findall(rf'\b(?:{SAYING})="([^"]*)"', rest)
    yield from (text for text in spoken if re.search(r"[a-z]{2,}", text) and re.search(r"^[A-Z]|\s", text))
    for text in re.split("[\0\n]", re.sub(r"<[^>]*>", "\n", rest)):
        if re.search(r"[A-Za-z]{2,}", text) and text.strip() not in NAMES:
            yield text.strip()


def plain_in_script(source: str) -> Iterator[str]:
    """Words of a script that it may show or say. They come from the page, which has them translated."""
    code = re.sub(r"(?m)(^|\s)//.*$|className:[^,}]*", "", source)
    shown = r"(?:textContent|innerText|ariaLabel|title|placeholder)\s*[:=]\s*"
    strings = r"(\"[^\"\n]*\"|'[^'\n]*'|`[^`]*`)"
    for before, text in re.findall(rf"({shown}|super\(|querySelector(?:All)?\(|)" + strings, code):
        words = re.search(r"[A-Za-z]{2,} [a-z]{2,}", text)
        if (re.match(shown, before) and re.search(r"[A-Za-z]{2,}", re.sub(r"\$\{.*?\}", "", text))) or (
            words and not before
        ):
            yield text[1:-1]


def test_templates_translate_what_they_say() -> None:
    root = Path(settings.BASE_DIR) / "templates"
    files = [path for path in sorted(root.rglob("*")) if path.suffix in (".html", ".txt")]
    assert {str(path): found for path in files if (found := list(plain_in_template(path.read_text())))} == {}


def test_scripts_take_their_words_from_the_page() -> None:
    files = sorted((Path(settings.BASE_DIR) / "static/js").rglob("*.js"))
    assert {str(path): found for path in files if (found := list(plain_in_script(path.read_text())))} == {}


def test_plain_words_are_found_where_they_are_shown() -> None:
    template = (
        '{% block kind %}narrow{% endblock %}<p title="{% translate "Fine" %}" class="Big box">{% translate "Fine." %}'
        '<b aria-label="Not fine">{{ name }}</b> is wrong <code>x y</code></p>{% include "a.html" with title="Told" %}'
        "{% blocktranslate %}Fine {{ n }}.{% endblocktranslate %}{# not shown #}<i>Attune</i>"
    )
    assert list(plain_in_template(template)) == ["Told", "Not fine", "is wrong"]
    script = (
        'note.textContent = "Kept"; // not shown\nx = Object.assign(y, { className: "btn primary", textContent: words.one });\n'
        'document.querySelector("#main .now b"); say(n ? "one change" : `${n} more changes`); z.textContent = `${n} %`;'
    )
    assert list(plain_in_script(script)) == ["Kept", "one change", "${n} more changes"]


@pytest.mark.django_db
def test_a_project_begins_in_the_language_of_whoever_makes_it() -> None:
    client = login(make_user(language="it", is_superuser=True))
    html = client.get(reverse("project_new")).content.decode()
    assert "Stile di scrittura" in html
    assert "Parole semplici" in html
    assert client.post(reverse("project_new"), {"name": "Tè", "template": "writing"}).status_code == 302
    made = Project.objects.get()
    assert "**si legge meglio**" in made.instructions
    assert made.reason_tags[1] == {"key": "plain-words", "label": "Parole semplici"}
