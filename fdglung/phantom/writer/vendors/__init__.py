"""Headers as each vendor writes them."""

from fdglung.phantom.scanner.catalogue import Scanner
from fdglung.phantom.writer.vendors.ge import ge
from fdglung.phantom.writer.vendors.habits import CtHabits, Habits, Nuclide
from fdglung.phantom.writer.vendors.philips import in_activity, philips
from fdglung.phantom.writer.vendors.siemens import siemens
from fdglung.phantom.writer.vendors.united import united

__all__ = ["CtHabits", "Habits", "Nuclide", "habits_of", "in_activity"]


def habits_of(scanner: Scanner) -> Habits:
    """Return what a scanner's headers look like."""
    return {"siemens": siemens, "ge": ge, "philips": philips, "united": united}[scanner.vendor](scanner.key)
