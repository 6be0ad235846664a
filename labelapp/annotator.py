"""Who asks: the signed-in user, or who the client says it is."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from fdglung.annotation.versions import annotator_name

signed_in: ContextVar[str | None] = ContextVar("signed_in", default=None)
"""Name of the user whose token was checked; None where the server asks for none."""


def annotator_of(request: Mapping[str, Any]) -> str:
    """Return the annotator's name: of the token; else ``annotator``, else ``client_id`` of the request's parameters."""
    return annotator_name(signed_in.get() or request.get("annotator") or request.get("client_id"))
