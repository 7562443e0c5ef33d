"""What models found out, in sentences."""

from __future__ import annotations

from training.findings import findings


def test_a_plain_model_has_nothing_to_add() -> None:
    assert findings({"pooled_accuracy": 0.7, "personal_8_accuracy": 0.75}) == []


def test_a_collapsed_latent_is_called_so() -> None:
    alive = findings({"active_units": 6.0, "latent_units": 8.0, "kl": 3.21})
    assert alive == ["6 of the 8 numbers that describe a person are in use; the KL term is 3.21."]
    assert "collapsed" in findings({"active_units": 1.0, "latent_units": 8.0, "kl": 0.01})[0]


def test_circles_are_told_from_noise() -> None:
    assert "do not run in circles" in findings({"circularity": 0.004})[0]
    assert "31\N{NO-BREAK SPACE}%" in findings({"circularity": 0.31})[0]


def test_groups_say_who_is_served_worst() -> None:
    metrics = {
        "groups": 2.0,
        "group_1_share": 0.91,
        "group_2_share": 0.09,
        "worst_group_accuracy": 0.84,
        "worst_group_pooled_accuracy": 0.2,
        "worst_group_maxmin_accuracy": 0.55,
    }
    sizes, worst = findings(metrics)
    assert sizes == "It found 2 groups of people: 91\N{NO-BREAK SPACE}%, 9\N{NO-BREAK SPACE}%."
    assert all(f"{n}\N{NO-BREAK SPACE}%" in worst for n in (84, 20, 55))


def test_aspects_prototypes_members_and_agreement_have_a_sentence_each() -> None:
    assert "overall (+0.90), dry–warm (−0.30)" in findings({"aspect_overall": 0.9, "aspect_dry–warm": -0.3})[0]
    assert "No aspect" in findings({"aspect_overall": 0.1})[0]
    assert "Of its 6 ideal points, 4" in findings({"prototypes": 6.0, "prototypes_used": 4.0})[0]
    assert "3 members differ by 12" in findings({"members": 3.0, "disagreement": 0.12})[0]
    assert "mostly agree" in findings({"boldness": 0.125})[0]
    assert findings({"boldness": 1.0}) == []


def test_how_strengths_are_read_is_said_where_there_are_any() -> None:
    assert "how far apart" in findings({"strengths_graded": 1.0})[0]
    assert "weight only" in findings({"strengths_graded": 0.0})[0]


def test_contrary_people_are_mentioned_where_there_are_more_than_the_fit_takes_for_granted() -> None:
    assert "about 3\N{NO-BREAK SPACE}%" in findings({"contrarians": 0.031})[0]
    assert findings({"contrarians": 0.005}) == []
