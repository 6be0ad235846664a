"""What an operator receives and emits, without an engine."""

from __future__ import annotations

from typing import Any


def run_operator(operator: Any, **inputs: Any) -> dict[str, Any]:
    """Call an operator's compute with inputs by name; return what it emitted by name."""
    emitted: dict[str, Any] = {}

    class Input:
        def receive(self, name: str) -> Any:
            return inputs[name]

    class Output:
        def emit(self, value: Any, name: str) -> None:
            emitted[name] = value

    operator.compute(Input(), Output(), None)
    return emitted
