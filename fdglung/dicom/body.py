"""Body measures that SUV is normalised to: lean body mass, ideal body weight, body surface area."""

from __future__ import annotations

from collections.abc import Callable


def lean_body_mass_james128(weight_kg: float, height_m: float, sex: str) -> float | None:
    """Lean body mass in kg after James 1976, the factor for men being 128 (SUVType LBMJAMES128).

    Parameters
    ----------
    weight_kg, height_m
        Weight in kg and height in m.
    sex
        PatientSex: M, F, or O for the mean of both formulas (OncoRay/IBSI SUV manual).

    Returns
    -------
    float or None
        None where the sex has no formula or the formula leaves its range (not positive).

    """
    ratio = (weight_kg / (100 * height_m)) ** 2
    return _by_sex(sex, lambda: 1.10 * weight_kg - 128 * ratio, lambda: 1.07 * weight_kg - 148 * ratio)


def lean_body_mass_morgan(weight_kg: float, height_m: float, sex: str) -> float | None:
    """Lean body mass in kg after Morgan and Bray 1994, the factor for men being 120 (SUVType LBM).

    Parameters and returned value are those of `lean_body_mass_james128`.
    """
    ratio = (weight_kg / (100 * height_m)) ** 2
    return _by_sex(sex, lambda: 1.10 * weight_kg - 120 * ratio, lambda: 1.07 * weight_kg - 148 * ratio)


def lean_body_mass_janma(weight_kg: float, height_m: float, sex: str) -> float | None:
    """Lean body mass in kg after Janmahasatian et al., Clin Pharmacokinet 2005;44:1051 (SUVType LBMJANMA).

    Parameters and returned value are those of `lean_body_mass_james128`.
    """
    bmi = weight_kg / height_m**2
    return _by_sex(
        sex,
        lambda: 9270 * weight_kg / (6680 + 216 * bmi),
        lambda: 9270 * weight_kg / (8780 + 244 * bmi),
    )


def ideal_body_weight(height_m: float, sex: str) -> float | None:
    """Ideal body weight in kg after Sugawara et al., Radiology 1999;213:521 (SUVType IBW).

    Parameters and returned value are those of `lean_body_mass_james128`.
    """
    excess_cm = 100 * height_m - 152
    return _by_sex(sex, lambda: 48.0 + 1.06 * excess_cm, lambda: 45.5 + 0.91 * excess_cm)


def body_surface_area(weight_kg: float, height_m: float) -> float:
    """Body surface area in m2 after Du Bois and Du Bois, Arch Intern Med 1916;17:863 (Units CM2ML)."""
    return 0.007184 * weight_kg**0.425 * (100 * height_m) ** 0.725


def conversions(weight_kg: float | None, height_m: float | None, sex: str | None) -> dict[str, float | None]:
    """Factors from SUVbw (g/ml) to the other normalisations of SUV.

    SUV is concentration times a body measure over dose, so each factor is that measure over the weight.

    Parameters
    ----------
    weight_kg, height_m
        Weight in kg and height in m, None where unknown.
    sex
        PatientSex: M, F or O (mean of both formulas); None where unknown.

    Returns
    -------
    dict
        ``suvlbm_james128``, ``suvlbm_janma``, ``suvlbm_morgan``, ``suvibw`` (all g/ml) and ``suvbsa`` (cm2/ml);
        None where a measure is missing or a formula leaves its range.

    """
    factors: dict[str, float | None] = dict.fromkeys(
        ("suvlbm_james128", "suvlbm_janma", "suvlbm_morgan", "suvbsa", "suvibw")
    )
    if weight_kg is None or height_m is None:
        return factors
    # m2 a kg is 10^4 cm2 a 10^3 g
    factors["suvbsa"] = 10 * body_surface_area(weight_kg, height_m) / weight_kg
    if sex is None:
        return factors
    masses = {
        "suvlbm_james128": lean_body_mass_james128(weight_kg, height_m, sex),
        "suvlbm_janma": lean_body_mass_janma(weight_kg, height_m, sex),
        "suvlbm_morgan": lean_body_mass_morgan(weight_kg, height_m, sex),
        "suvibw": ideal_body_weight(height_m, sex),
    }
    factors.update({name: None if mass is None else mass / weight_kg for name, mass in masses.items()})
    return factors


def _by_sex(sex: str, male: Callable[[], float], female: Callable[[], float]) -> float | None:
    if sex == "M":
        mass = male()
    elif sex == "F":
        mass = female()
    elif sex == "O":
        mass = (male() + female()) / 2
    else:
        return None
    return mass if mass > 0 else None
