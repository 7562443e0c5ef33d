"""What is refused or noted is said in the reader's language: no page shows such a text that can't be translated."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django.conf import settings

PACKAGES = ("annotator", "personalization", "training")
ROOT = Path(settings.BASE_DIR)
FAMILY = ("AnnotatorError", "AttuneError", "BadRow", "NotAllowed", "Unanswered", "BadPicture")
"""Errors whose text comes to a page: theirs and that of every class under them, the core's where an app raises them."""
CAUGHT = {
    "Cancelled": "ends a job; its row says so by its state",
    "ClaimLost": "ends a job that is another worker's by now; goes to the log",
}
NOT_ON_PAGES = {
    "personalization/scorer/wire.py": "what the scorer and its clients say to each other",
}
"""Beside the API's own modules, as far as no page asks them for anything."""
_SENTENCE = re.compile(r"[A-Za-z].*\s|\s.*[A-Za-z]|[A-Za-z]\.$", re.DOTALL)
_TOLD = ("debug", "info", "success", "warning", "error")
_NOTED = ("note", "note_policy")


@cache
def family() -> frozenset[str]:
    """Names of the errors whose text a page shows."""
    sources = [path.read_text() for package in (*PACKAGES, "attune") for path in (ROOT / package).rglob("*.py")]
    classes = [node for text in sources for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]
    found, before = set(FAMILY), 0
    while len(found) > before:
        before = len(found)
        found |= {each.name for each in classes if any(ast.unparse(base) in found for base in each.bases)}
    return frozenset(found - CAUGHT.keys())


@cache
def module(name: str) -> Plain | None:
    """One of our modules by its dotted name, read; None for anything else."""
    path = ROOT / f"{name.replace('.', '/')}.py"
    return Plain(path.read_text()) if name.startswith(PACKAGES) and path.exists() else None


class Plain:
    """Texts of a module that gettext is not asked for and that go into a refusal, the log of a run, an error of a form or a
    message of ``django.contrib.messages``.

    Names are followed to what the same function or the module gives them, and calls to what our functions return.
    """

    def __init__(self, source: str) -> None:
        self.module = ast.parse(source)
        nodes = list(ast.walk(self.module))
        imports = [
            node for node in nodes if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation"
        ]
        self.gettext = {name.asname or name.name for node in imports for name in node.names if "gettext" in name.name}
        self.functions = {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}
        self.imported = {
            name.asname or name.name: (node.module, name.name)
            for node in nodes
            if isinstance(node, ast.ImportFrom) and node.module
            for name in node.names
        }
        self.seen: set[tuple[int, str]] = set()

    def texts(self) -> set[str]:
        inside = {id(node) for function in self.functions.values() for node in ast.walk(function)}
        scopes: list[ast.AST] = [*self.functions.values()]
        outside = [node for node in ast.walk(self.module) if id(node) not in inside]
        found = [text for scope in scopes for node in ast.walk(scope) for text in self._said(node, scope)]
        return {*found, *(text for node in outside for text in self._said(node, self.module))}

    def _said(self, node: ast.AST, scope: ast.AST) -> Iterator[str]:
        """The texts of one statement or call, if it refuses or tells something."""
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in family() or name in _NOTED:
                pass
            case ast.Call(func=ast.Attribute(value=ast.Name(id="messages"), attr=name)) if name in _TOLD:
                pass
            case ast.Call(func=ast.Attribute(attr=name)) if name in family() or name == "add_error":
                pass
            case _:
                return
        for part in (*node.args, *(each.value for each in node.keywords)):
            yield from self._plain(part, scope)

    def _plain(self, node: ast.AST | None, scope: ast.AST) -> Iterator[str]:
        match node:
            case ast.Constant(value=str(text)) if _SENTENCE.search(text) and not text.startswith(
                '{"'
            ):  # no shape of JSON
                yield text
            case ast.JoinedStr(values=parts):
                fixed = [str(each.value) if isinstance(each, ast.Constant) else "…" for each in parts]
                if _SENTENCE.search("".join(fixed)):
                    yield "".join(fixed)
                filled = [each.value for each in parts if isinstance(each, ast.FormattedValue)]
                yield from self._each(filled, scope)
            case ast.Call(func=ast.Name(id=name)) if name in self.gettext or name == "len":
                return
            case ast.Call(func=ast.Name(id=name)) if name in self.functions:
                yield from self._returned(self.functions[name])
            case ast.Call(func=ast.Name(id=name), args=args) if name in self.imported:
                asked, function = self.imported[name]
                if (other := module(asked)) and function in other.functions:
                    yield from other._returned(other.functions[function])
                yield from self._each(args, scope)
            case ast.Call(func=ast.Attribute(value=of), args=args):
                yield from self._each([of, *args], scope)
            case ast.Call(args=args):
                yield from self._each(args, scope)
            case ast.Name(id=name):
                yield from self._named(name, scope)
            case ast.IfExp(body=one, orelse=other):
                yield from self._each([one, other], scope)
            case ast.BinOp(left=one, right=other):
                yield from self._each([one, other], scope)
            case ast.Dict(values=values) | ast.BoolOp(values=values):
                yield from self._each(values, scope)
            case ast.List(elts=values) | ast.Tuple(elts=values) | ast.Set(elts=values):
                yield from self._each(values, scope)
            case ast.ListComp(elt=value) | ast.GeneratorExp(elt=value) | ast.DictComp(value=value):
                yield from self._plain(value, scope)
            case ast.Subscript(value=value) | ast.Starred(value=value):
                yield from self._plain(value, scope)
            case ast.NamedExpr(value=value):
                yield from self._plain(value, scope)

    def _each(self, nodes: list[ast.expr], scope: ast.AST) -> Iterator[str]:
        for node in nodes:
            yield from self._plain(node, scope)

    def _returned(self, function: ast.FunctionDef) -> Iterator[str]:
        if (id(function), "return") not in self.seen:
            self.seen.add((id(function), "return"))
            for node in ast.walk(function):
                if isinstance(node, ast.Return | ast.Yield):
                    yield from self._plain(node.value, function)

    def _named(self, name: str, scope: ast.AST) -> Iterator[str]:
        """What the name is given: in its function, else in the module's own lines."""
        if (id(scope), name) in self.seen:
            return
        self.seen.add((id(scope), name))
        given = [value for node in ast.walk(scope) for target, value in _assigned(node) if _is(target, name)]
        if not given:
            given = [value for node in self.module.body for target, value in _assigned(node) if _is(target, name)]
        yield from self._each(given, scope)


def _assigned(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((target, value) for target in targets)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield target, value
        case ast.AugAssign(target=target, value=value) | ast.NamedExpr(target=target, value=value):
            yield target, value
        case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
            yield target, value


def _is(target: ast.expr, name: str) -> bool:
    """Whether an assignment gives the name something: itself, one of its places, or among others."""
    if isinstance(target, ast.Tuple):
        return any(_is(each, name) for each in target.elts)
    if isinstance(target, ast.Subscript):
        return _is(target.value, name)
    return isinstance(target, ast.Name) and target.id == name


def shown() -> dict[str, str]:
    """The sources of everything that pages may show a text of, by file."""
    code = {path: path.read_text() for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}
    pages = "\n".join(text for path, text in code.items() if "api" not in path.parts and path.name != "urls.py")
    asked = {f"{name.replace('.', '/')}.py" for name in re.findall(r"from ((?:\w+)\.api\.[\w.]+) import", pages)}
    named = {str(path.relative_to(ROOT)): text for path, text in code.items()}
    return {
        name: text
        for name, text in named.items()
        if name not in NOT_ON_PAGES and ("/api/" not in name or name in asked) and "/migrations/" not in name
    }


def test_no_page_shows_a_refusal_that_cannot_be_translated() -> None:
    """Give the text to gettext (``_``), then translate it (CONTRIBUTING.md)."""
    assert {name: sorted(found) for name, text in shown().items() if (found := Plain(text).texts())} == {}


def test_exceptions_are_there_and_needed() -> None:
    for name in NOT_ON_PAGES:
        assert Plain((ROOT / name).read_text()).texts(), name
    jobs = ast.parse((ROOT / "annotator/services/jobs.py").read_text())
    assert CAUGHT.keys() <= {node.name for node in jobs.body if isinstance(node, ast.ClassDef)}


def test_pages_that_ask_the_api_are_followed_there() -> None:
    assert "personalization/api/classifier.py" in shown()
    assert "personalization/api/fields.py" not in shown()
    assert {"annotator/imports/rows.py", "personalization/voices.py", "training/runs.py"} < set(shown())


def test_refusals_are_found_however_they_are_put_together() -> None:
    code = """
from django.utils.translation import gettext as say, gettext_noop
KEPT = gettext_noop("Said well.")
CONSTANT = "Said in the module."

def start(name, request):
    raise Invalid(say("Fine, %(name)s.") % {"name": name}, fields={"a field": say("fine too")})
    raise Invalid(KEPT, fields={"name": "is not fine"})
    raise NotFound(f"There is no {name:>10 s}.")
    raise Conflict(CONSTANT)
    raise Conflict(say("Of %(known)s.") % {"known": known or "none yet"})
    raise ValueError("not of the family")
    messages.error(request, "Told to a person.")
    form.add_error("name", "Told beside a field.")
    note(run, f"{name} was noted.")
    log.error("not told to a person")
    refused = BadRow("wrong_value", "name", name, f"{suggestion(name)} or other")
    if problem := text_problem(name):
        raise BadFile(problem)
    if problem := _problem(name):
        raise Invalid(problem)
    wrong = {}
    wrong["a name"] = "is wrong here" if name else say("is fine here")
    if wrong:
        raise Invalid("; ".join(f"{key} {why}" for key, why in wrong.items()) + ".", fields=wrong)

def _problem(name):
    return f"{name} is a problem" if name else ""
"""
    assert Plain(code).texts() == {
        "is not fine",
        "There is no ….",
        "Said in the module.",
        "none yet",
        "Told to a person.",
        "Told beside a field.",
        "… was noted.",
        "… or other",
        "is wrong here",
        "… is a problem",
    }
