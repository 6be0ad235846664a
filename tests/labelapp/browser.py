"""OHIF in headless Chromium: what its page shows, and what its own buffers hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    *("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
)
TIMEOUT_MS = 240_000

# Every voxel above 0 of a volume in cornerstone's cache as [index, value] pairs.
_LABEL = """() => {
  const volume = window.services.segmentationService.getLabelmapVolume('1');
  if (!volume) return null;
  const found = [];
  volume.voxelManager.getCompleteScalarDataArray().forEach((value, index) => value && found.push([index, value]));
  return {size: volume.dimensions, found};
}"""
_PET = """() => {
  if (!document.querySelector('.monaiLabelPanel')) return null;
  const grid = window.services?.viewportGridService.getState();
  const shownId = grid?.viewports.get(grid.activeViewportId)?.displaySetInstanceUIDs[0];
  const shown = shownId && window.services.displaySetService.getDisplaySetByUID(shownId);
  if (!shown) return null;
  const volumes = [...window.cornerstone.cache._volumeCache.values()].map(one => one.volume);
  const volume = volumes.find(one => one?.voxelManager && one.volumeId.includes(shownId));
  if (!volume?.loadStatus?.loaded) return null;
  return {modality: shown.Modality, series: shown.SeriesInstanceUID, size: [...volume.dimensions],
          origin: [...volume.origin], spacing: [...volume.spacing], direction: [...volume.direction],
          voxels: Array.from(volume.voxelManager.getCompleteScalarDataArray())};
}"""


@contextmanager
def opened_page() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.set_default_timeout(TIMEOUT_MS)
            page.on("dialog", lambda dialog: dialog.accept())
            yield page
        finally:
            browser.close()


def waited(page: Any, script: str) -> Any:
    """Return what a script gives, once it gives something."""
    return page.wait_for_function(script, timeout=TIMEOUT_MS, polling=1000).json_value()


def pet(page: Any) -> dict[str, Any]:
    """Return the PET that the active viewport shows; ``voxels`` in the order (z, y, x)."""
    found = waited(page, _PET)
    found["voxels"] = np.array(found["voxels"], np.float32).reshape(found["size"][::-1])
    return found


def label(page: Any) -> np.ndarray:
    """Return the label in the viewer's buffer, (z, y, x)."""
    found = page.evaluate(_LABEL)
    array = np.zeros(int(np.prod(found["size"])), np.uint8)
    for index, value in found["found"]:
        array[index] = value
    return array.reshape(found["size"][::-1])


def told(page: Any, text: str) -> None:
    """Wait until the page says something."""
    page.get_by_text(text).first.wait_for(timeout=TIMEOUT_MS)
