"""lungmask's published weights from where its authors keep them, into lungmask's own cache."""

from __future__ import annotations

import http.client
import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from fdglung.errors import DownloadError, OutputWriteError, ParameterError
from fdglung.lungs.weights import PUBLISHED, cache_folder, sha256_of

RELEASE_URL = "https://github.com/JoHof/lungmask/releases/download/v0.0"
"""Where lungmask's authors publish the weights; what lungmask itself fetches them from."""

_CHUNK = 1 << 20
_TIMEOUT_S = 30.0


def fetch_weights(
    name: str, *, base_url: str = RELEASE_URL, progress: Callable[[str, float], None] | None = None
) -> tuple[Path, bool]:
    """Fetch weights that lungmask's authors publish, unless they are there and whole.

    The file is written beside its place and renamed when its checksum is right, so that there is never half of one.

    Parameters
    ----------
    name
        Key of `fdglung.lungs.weights.PUBLISHED`.
    base_url
        Where the files lie.
    progress
        Called with a text and the fraction done.

    Returns
    -------
    Path
        The file, where lungmask looks for it.
    bool
        Whether it was fetched; it was there already otherwise.

    Raises
    ------
    ParameterError
        There are no such weights.
    DownloadError
        There is no network, the server does not give the file, or what it gave is broken off or has another checksum.
    OutputWriteError
        The file could not be written.

    """
    if name not in PUBLISHED:
        raise ParameterError(
            f"{name!r} are no weights that lungmask's authors publish",
            attribute="weights",
            remedy=f"Choose any of {', '.join(PUBLISHED)}",
        )
    tell = progress or (lambda text, fraction: None)
    path = cache_folder() / PUBLISHED[name]
    if path.is_file() and has_right_checksum(path):
        tell(f"{name} is there", 1.0)
        return path, False
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _download(f"{base_url}/{path.name}", partial, lambda fraction: tell(f"fetching {name}", fraction))
        if not has_right_checksum(partial, of=path.name):
            raise _error(f"{base_url}/{path.name}", "what came has another checksum than its name says")
        partial.replace(path)
    except OSError as error:
        raise OutputWriteError(
            f"{path} could not be written ({error.strerror or type(error).__name__})",
            attribute="weights",
            remedy="Free space on the disk, or name another cache by the environment variable TORCH_HOME",
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink()
    return path, True


def has_right_checksum(path: Path, *, of: str | None = None) -> bool:
    """Tell whether a file's SHA-256 begins with the digits at the end of its name, as torch.hub checks it.

    Parameters
    ----------
    path
        The file.
    of
        The name that it will have; None for the one that it has.

    """
    digits = (of or path.name).rsplit("-", 1)[-1].split(".", 1)[0]
    return sha256_of(path).startswith(digits)


def _download(url: str, target: Path, tell: Callable[[float], None]) -> None:
    try:
        response = urlopen(url, timeout=_TIMEOUT_S)
    except HTTPError as error:
        raise _error(url, f"the server answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _error(url, f"there is no connection ({getattr(error, 'reason', error)})") from error
    with response, target.open("wb") as stream:
        total = int(response.headers.get("Content-Length") or 0)
        while chunk := _read(response, url):
            stream.write(chunk)
            if total:
                tell(stream.tell() / total)
        stream.flush()
        os.fsync(stream.fileno())
        received = stream.tell()
    if received < total:
        raise _error(url, f"it broke off after {received} of {total} bytes")


def _read(response: http.client.HTTPResponse, url: str) -> bytes:
    # Errors of the connection are told apart from those of the disk, both of which are OSError.
    try:
        return response.read(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _error(url, f"the connection broke ({type(error).__name__})") from error


def _error(url: str, reason: str) -> DownloadError:
    return DownloadError(
        f"{url} could not be fetched: {reason}",
        attribute="weights",
        remedy="Check the network or the proxy (HTTPS_PROXY) and try again, or copy the file from another machine and "
        f"name it with --lung-weights, or put it into {cache_folder()}",
    )
