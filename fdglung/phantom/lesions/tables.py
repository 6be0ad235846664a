"""The profiles as tables for the documentation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fdglung.phantom.lesions.plans import Form, Sign, Zone
from fdglung.phantom.lesions.profiles import PROFILES, SOURCES
from fdglung.phantom.lesions.subtype import Subtype


def profile_tables() -> str:
    """Return every distribution of the profiles, with its sources, as Markdown."""
    parts = [
        _table(
            (
                "class",
                "subtype",
                "share %",
                "lesions, mean (1 only %)",
                "diameter mm",
                "SUVmax",
                "r",
                "alike",
                "texture",
            ),
            [
                (
                    str(one.lesion_class),
                    one.name,
                    _percent(one.weight),
                    f"{float(np.arange(1, len(one.number) + 1) @ one.number):.1f} ({_percent(one.number[0])})",
                    f"{one.sizes.diameter_mm.mean:g} ± {one.sizes.diameter_mm.sd:g}"
                    f" ({one.sizes.diameter_mm.low:g}-{one.sizes.diameter_mm.high:g})",
                    f"{one.sizes.suv_max.mean:g} ± {one.sizes.suv_max.sd:g}"
                    f" ({one.sizes.suv_max.low:g}-{one.sizes.suv_max.high:g})",
                    f"{one.sizes.correlation:g}",
                    f"{one.sizes.alike:g}",
                    f"{one.texture.mean:g} ± {one.texture.sd:g}",
                )
                for one in PROFILES
            ],
        ),
        _table(
            ("subtype", *(f"{form} %" for form in Form), "HU", "upper/middle/lower lobes %", *(f"{z} %" for z in Zone)),
            [
                (
                    one.name,
                    *(_percent(one.forms[form]) for form in Form),
                    f"{one.hu[0]:g} ± {one.hu[1]:g}",
                    "/".join(_percent(share) for share in one.lobes),
                    *(_percent(one.zones[zone]) for zone in Zone),
                )
                for one in PROFILES
            ],
        ),
        _table(
            ("subtype", *(f"{sign} %" for sign in Sign)),
            [(one.name, *(_sign(one, sign) for sign in Sign)) for one in PROFILES],
        ),
        _table(
            ("subtype", "avid nodes %", "of these symmetric %", "diameter mm", "SUVmax", "sources"),
            [
                (
                    one.name,
                    _percent(one.nodes.chance),
                    _percent(one.nodes.symmetric),
                    f"{one.nodes.sizes.diameter_mm.mean:g} ± {one.nodes.sizes.diameter_mm.sd:g}",
                    f"{one.nodes.sizes.suv_max.mean:g} ± {one.nodes.sizes.suv_max.sd:g}",
                    one.sources,
                )
                for one in PROFILES
            ],
        ),
        _table(("name", "source"), list(SOURCES.items())),
    ]
    return "\n".join(parts)


def _sign(subtype: Subtype, sign: Sign) -> str:
    if sign not in subtype.signs:
        return "-"
    chance = subtype.signs[sign]
    return _percent(chance.probability) + ("↑" if chance.per_doubling > 0 else "")


def _percent(share: float) -> str:
    return f"{100 * share:.3g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
