"""What the server lets in: requests of this machine, of pages that it served itself, and not too large."""

from __future__ import annotations

import contextlib
import ipaddress
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class TooLargeError(Exception):
    """A request grew beyond the limit while it was read."""


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: App, *, limit_bytes: int, allow_remote: bool) -> None:
        self.app = app
        self.limit_bytes = limit_bytes
        self.allow_remote = allow_remote

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _refuse(send, *refusal)
            return
        begun = False
        read = 0

        async def counted() -> MutableMapping[str, Any]:
            nonlocal read
            message = await receive()
            read += len(message.get("body") or b"")
            if read > self.limit_bytes:
                raise TooLargeError
            return message

        async def watched(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            # A failure to read the body is answered by what was too large about it.
            if read <= self.limit_bytes:
                begun = True
                await send(message)

        with contextlib.suppress(TooLargeError):
            await self.app(scope, counted, watched)
        if read > self.limit_bytes and not begun:
            await _refuse(send, 413, self._too_large())

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        client = (scope.get("client") or ("127.0.0.1", 0))[0]
        host = headers.get("host", "")
        if not self.allow_remote and not (_is_local(client) and _is_local(urlsplit(f"//{host}").hostname or "")):
            return 403, "Only this machine may ask. Start the server with --conf allow_remote true to let others."
        origin = headers.get("origin")
        if origin and origin != "null" and urlsplit(origin).netloc != host:
            return 403, "A page of another server may not ask. Open the viewer that this server serves."
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self.limit_bytes:
            return 413, self._too_large()
        return None

    def _too_large(self) -> str:
        return (
            f"The request is larger than {self.limit_bytes / 1e6:g} MB. Compress the label, or raise --conf limit_mb."
        )


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _refuse(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
