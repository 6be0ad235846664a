"""How commands show what is being done."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float], None]
"""Called with a text and the fraction of the whole that is done."""


def part(tell: Progress, start: float, stop: float) -> Progress:
    """Return what tells of a step that is the part of the whole from `start` to `stop`."""
    return lambda text, fraction: tell(text, start + (stop - start) * fraction)


class ProgressBar:
    """A bar on standard error, for work of more than half a second; entering it gives what it is told by."""

    def __enter__(self) -> Progress:
        from tqdm import tqdm

        self._bar = tqdm(
            total=100, bar_format="{desc:<28.28} {percentage:3.0f}% |{bar}| {elapsed}", delay=0.5, mininterval=0.5
        )
        return self._tell

    def __exit__(self, *exception: object) -> None:
        self._bar.close()

    def _tell(self, text: str, fraction: float) -> None:
        self._bar.set_description_str(text, refresh=False)
        self._bar.update(max(0.0, 100 * fraction - self._bar.n))
