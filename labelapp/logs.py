"""Logs without ids: names of studies, annotators' requests and paths never reach a log."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable

HIDDEN = "[study]"
"""What stands in a log in place of a study's name."""

_UID = re.compile(r"\b[12]\.\d+(?:\.\d+){3,}\b")


class WithoutIds(logging.Filter):
    """Replaces studies' names, DICOM UIDs and some texts in whatever is logged."""

    def __init__(self, names: Callable[[], Iterable[str]], hidden: Iterable[str] = ()) -> None:
        super().__init__()
        self.names = names
        self.hidden = tuple(sorted(hidden, key=len, reverse=True))

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record; every record passes."""
        record.msg = self.without_ids(record.getMessage())
        record.args = None
        if record.exc_info and record.exc_info[0] is not None:
            # The text of an error may quote its input; its kind and place are enough to find a fault.
            place = record.exc_info[2]
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            where = "" if place is None else f" in {place.tb_frame.f_code.co_filename}:{place.tb_lineno}"
            record.msg += f" ({record.exc_info[0].__name__}{where})"
            record.exc_info = record.exc_text = None
        return True

    def without_ids(self, text: str) -> str:
        """Return a text without what identifies a study."""
        for name in self.hidden:
            text = text.replace(name, "[folder]")
        for name in sorted(self.names(), key=len, reverse=True):
            if name in text:
                text = text.replace(name, HIDDEN)
        return _UID.sub("[uid]", text)


def hide_ids(names: Callable[[], Iterable[str]], hidden: Iterable[str] = ()) -> None:
    """Put the filter on every handler there is, and let MONAI Label's own loggers, which print requests, only warn."""
    wanted = WithoutIds(names, hidden)
    loggers = [logging.getLogger(), *(logging.getLogger(name) for name in list(logging.root.manager.loggerDict))]
    for handler in {id(handler): handler for logger in loggers for handler in logger.handlers}.values():
        for old in [one for one in handler.filters if isinstance(one, WithoutIds)]:
            handler.removeFilter(old)
        handler.addFilter(wanted)
    for name in ("monailabel", "highdicom", "dicomweb_client"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for logger in loggers:
        if logger.name.startswith(("monailabel.", "task_")):
            logger.setLevel(logging.WARNING)
