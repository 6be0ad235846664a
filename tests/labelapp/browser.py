"""OHIF in headless Chromium: what its page shows, and what its own buffers hold."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    *("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
)
TIMEOUT_MS = 240_000

# Bytes travel as text: millions of numbers in a list take minutes.
BASE64 = """array => {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  let text = '';
  for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  return btoa(text);
}"""
_LABEL = f"""() => {{
  const volume = window.services.segmentationService.getLabelmapVolume('1');
  const voxels = Uint8Array.from(volume.voxelManager.getCompleteScalarDataArray());
  return {{size: [...volume.dimensions], voxels: ({BASE64})(voxels)}};
}}"""
_SHOWN = """() => {
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
          volumeId: volume.volumeId};
}"""
_VOXELS = f"""id => {{
  const volume = [...window.cornerstone.cache._volumeCache.values()].map(one => one.volume)
    .find(one => one?.volumeId === id);
  return ({BASE64})(Float32Array.from(volume.voxelManager.getCompleteScalarDataArray()));
}}"""
_VIEWPORT = "id => window.services.cornerstoneViewportService.getCornerstoneViewport(id)"
_JUMP = f"""place => [...window.services.viewportGridService.getState().viewports.keys()].forEach(id => {{
  const viewport = ({_VIEWPORT})(id);
  viewport?.jumpToWorld?.(place);
  viewport?.render();
}})"""
_CANVAS = f"""id => {{
  const viewport = ({_VIEWPORT})(id);
  const {{left, top, width, height}} = viewport.element.getBoundingClientRect();
  const world = [[0, 0], [1, 0], [0, 1]].map(point => [...viewport.canvasToWorld(point)]);
  return {{left, top, width, height, world}};
}}"""
_ON_CANVAS = f"([id, place]) => [...({_VIEWPORT})(id).worldToCanvas(place)]"


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def lacking() -> list[str]:
    """Return what has to be installed before a browser can be opened here."""
    return [
        *(["chromium"] if not Path(CHROMIUM).is_file() else []),
        *(["playwright"] if not find_spec("playwright") else []),
    ]


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
    return page.wait_for_function(script, timeout=TIMEOUT_MS, polling=500).json_value()


def told(page: Any, text: str) -> None:
    """Wait until the page says something."""
    page.get_by_text(text).first.wait_for(timeout=TIMEOUT_MS)


def pet(page: Any) -> dict[str, Any]:
    """Return the image that the active viewport shows; ``voxels`` in the order (z, y, x)."""
    found: dict[str, Any] = waited(page, _SHOWN)
    voxels = np.frombuffer(base64.b64decode(page.evaluate(_VOXELS, found["volumeId"])), np.float32)
    found["voxels"] = voxels.reshape(found["size"][::-1])
    return found


def label(page: Any) -> NDArray[np.uint8]:
    """Return the label in the viewer's buffer, (z, y, x)."""
    found = page.evaluate(_LABEL)
    return np.frombuffer(base64.b64decode(found["voxels"]), np.uint8).reshape(found["size"][::-1])


def show(page: Any, place: Sequence[float]) -> None:
    """Let every viewport show the slice of a place in mm."""
    page.evaluate(_JUMP, list(place))
    page.wait_for_timeout(1500)


def click(page: Any, viewport: str, place: Sequence[float]) -> None:
    """Click at a place in mm that a viewport shows."""
    canvas = page.evaluate(_CANVAS, viewport)
    x, y = page.evaluate(_ON_CANVAS, [viewport, list(place)])
    page.mouse.click(canvas["left"] + x, canvas["top"] + y)
    page.wait_for_timeout(500)


def pixels(page: Any, viewport: str) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Return what a viewport shows: colours (rows, columns, 3), and the place of each pixel in mm, likewise."""
    canvas = page.evaluate(_CANVAS, viewport)
    # A screenshot begins and ends at whole pixels.
    left, top = np.ceil([canvas["left"], canvas["top"]])
    clip = {"x": left, "y": top, "width": int(canvas["width"]) - 1, "height": int(canvas["height"]) - 1}
    colours = np.asarray(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB"), np.int16)
    origin, right, down = np.array(canvas["world"])
    rows, columns = np.indices(colours.shape[:2]) + 0.5
    rows, columns = rows + top - canvas["top"], columns + left - canvas["left"]
    return colours, origin + columns[..., None] * (right - origin) + rows[..., None] * (down - origin)


def picture(page: Any, name: str) -> None:
    """Keep what is seen, where FDGLUNG_PICTURES names a folder."""
    if os.environ.get("FDGLUNG_PICTURES"):
        page.screenshot(path=str(Path(os.environ["FDGLUNG_PICTURES"]) / name))
