"""What was used lately stays; what was not goes first."""

from __future__ import annotations

from attune.recent import Recent


def test_the_one_longest_unused_goes_first() -> None:
    recent: Recent[str, int] = Recent(2)
    recent.keep("a", 1)
    recent.keep("b", 2)
    assert recent.get("a") == 1
    recent.keep("c", 3)
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (1, None, 3)


def test_keeping_again_takes_the_place_of_what_was_there() -> None:
    recent: Recent[str, int] = Recent(2)
    for value in range(3):
        recent.keep("a", value)
    recent.keep("b", 7)
    assert (recent.get("a"), recent.get("b")) == (2, 7)


def test_dropping_by_key() -> None:
    recent: Recent[tuple[int, str], str] = Recent(9)
    for key in ((1, "x"), (1, "y"), (2, "x")):
        recent.keep(key, "kept")
    recent.drop(lambda key: key[0] == 1)
    assert recent.get((1, "x")) is None
    assert recent.get((1, "y")) is None
    assert recent.get((2, "x")) == "kept"
