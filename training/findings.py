"""What a model found out beside how good it is, in one plain sentence each: from the figures that only some models have."""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

COLLAPSED = 0.25
"""Of its units, so few in use mean that the latent says little."""
SLIGHT = 0.02
"""Circularity below this is noise."""
STRONG_ASPECT = 0.15
SOME_CONTRARIANS = 0.01
"""Below this share it may be what is taken for granted before anybody was looked at."""

_GROUP = re.compile(r"group_(\d+)_share")


def findings(metrics: Mapping[str, float]) -> list[str]:
    """Sentences for a run's and a version's page; none for a model that has nothing of the kind to say."""
    parts = (_latent, _prototypes, _circles, _groups, _members, _aspects, _boldness, _strengths, _contrarians)
    return [sentence for part in parts for sentence in part(metrics)]


def _percent(value: float) -> str:
    return f"{100 * value:.0f}\N{NO-BREAK SPACE}%"


def _latent(metrics: Mapping[str, float]) -> list[str]:
    if "active_units" not in metrics:
        return []
    active, units = int(metrics["active_units"]), int(metrics["latent_units"])
    said = _("%(active)d of the %(units)d numbers that describe a person are in use; the KL term is %(kl)s.") % {
        "active": active,
        "units": units,
        "kl": f"{metrics.get('kl', 0.0):.2f}",
    }
    if active <= COLLAPSED * units:
        said += " " + _(
            "The model has collapsed: it hardly listens to what people say. Try a smaller beta or a larger guard."
        )
    return [said]


def _prototypes(metrics: Mapping[str, float]) -> list[str]:
    if "prototypes" not in metrics:
        return []
    return [
        _("Of its %(all)d ideal points, %(used)d have a share in what the community likes.")
        % {"all": int(metrics["prototypes"]), "used": int(metrics["prototypes_used"])}
    ]


def _circles(metrics: Mapping[str, float]) -> list[str]:
    if "circularity" not in metrics:
        return []
    value = metrics["circularity"]
    if value < SLIGHT:
        return [_("Preferences do not run in circles here: an order of the responses explains them as well.")]
    return [
        _("%(share)s of how people prefer runs in circles (a over b, b over c, c over a), which no ranking can show.")
        % {"share": _percent(value)}
    ]


def _groups(metrics: Mapping[str, float]) -> list[str]:
    places = sorted(int(found[1]) for name in metrics if (found := _GROUP.fullmatch(name)))
    if not places or "worst_group_accuracy" not in metrics:
        return []
    shares = ", ".join(_percent(metrics[f"group_{place}_share"]) for place in places)
    return [
        ngettext(
            "It found %(n)d group of people: %(shares)s.", "It found %(n)d groups of people: %(shares)s.", len(places)
        )
        % {"n": len(places), "shares": shares},
        _(
            "The group that is served worst has %(own)s of its choices predicted; by one model for everybody %(pooled)s, and"
            " %(fair)s by the mix that is fairest to all groups. (On judgments that the fit has seen.)"
        )
        % {
            "own": _percent(metrics["worst_group_accuracy"]),
            "pooled": _percent(metrics["worst_group_pooled_accuracy"]),
            "fair": _percent(metrics["worst_group_maxmin_accuracy"]),
        },
    ]


def _members(metrics: Mapping[str, float]) -> list[str]:
    if "members" not in metrics:
        return []
    return [
        _("Its %(n)d members differ by %(share)s of the rewards’ own spread: the less, the surer.")
        % {"n": int(metrics["members"]), "share": _percent(metrics["disagreement"])}
    ]


def _aspects(metrics: Mapping[str, float]) -> list[str]:
    found = {name[len("aspect_") :]: value for name, value in metrics.items() if name.startswith("aspect_")}
    strong = sorted(
        (name for name, value in found.items() if abs(value) >= STRONG_ASPECT), key=lambda n: -abs(found[n])
    )
    if not found:
        return []
    if not strong:
        return [_("No aspect stands out in what the community likes.")]
    listed = ", ".join(f"{name} ({found[name]:+.2f})".replace("-", "−") for name in strong[:6])
    return [_("The community’s direction, between −1 and +1 for each aspect: %(listed)s.") % {"listed": listed}]


def _boldness(metrics: Mapping[str, float]) -> list[str]:
    if "boldness" not in metrics:
        return []
    if metrics["boldness"] <= 0.25:
        return [_("Held-out people were predicted best with hardly anything personal: here people mostly agree.")]
    return []


def _strengths(metrics: Mapping[str, float]) -> list[str]:
    if "strengths_graded" not in metrics:
        return []
    if metrics["strengths_graded"]:
        return [
            _(
                "“Slightly” and “much better” are read as how far apart two responses are to somebody: held-out people were"
                " predicted at least as well by that."
            )
        ]
    return [
        _(
            "“Slightly” and “much better” count as a judgment’s weight only: read as how far apart two responses are, they predicted"
            " held-out people worse."
        )
    ]


def _contrarians(metrics: Mapping[str, float]) -> list[str]:
    if metrics.get("contrarians", 0.0) < SOME_CONTRARIANS:
        return []
    return [
        _(
            "Of the held-out people about %(share)s seem to prefer the opposite of what everybody prefers, throughout. Their own models"
            " follow that; Quality names whoever it is clear of."
        )
        % {"share": _percent(metrics["contrarians"])}
    ]
