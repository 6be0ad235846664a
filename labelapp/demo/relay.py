"""Connections handed on between sockets, and a server with a network of its own: ``python -m labelapp.demo.relay``.

Orthanc before 1.12 listens on every address of the machine. Here it runs in a network namespace where there is only a
loopback, and is reached through a socket in the file system.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import signal
import socket
import struct
import sys
from collections.abc import Awaitable, Callable

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_BLOCK_BYTES = 1 << 16
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1


async def hand_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: Callable[[], Awaitable[Streams]]
) -> None:
    """Connect an accepted connection with a new one, until either side ends."""
    with contextlib.suppress(OSError):
        other_reader, other_writer = await to()
        await asyncio.gather(_copy(reader, other_writer), _copy(other_reader, writer))
    writer.close()


async def inside(path: str, port: int, command: list[str]) -> int:
    """Run a server that listens on a port, and hand on to it what connects to a socket in the file system.

    Returns
    -------
    int
        The server's exit status, after it ended or SIGTERM ended it.

    """
    _loopback_up()
    server = await asyncio.create_subprocess_exec(*command)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.terminate)
    relay = await asyncio.start_unix_server(
        lambda reader, writer: hand_on(reader, writer, lambda: asyncio.open_connection("127.0.0.1", port)), path
    )
    async with relay:
        return await server.wait()


async def outside(port: int, path: str) -> asyncio.Server:
    """Listen on a port of the loopback, and hand on to a socket in the file system."""
    return await asyncio.start_server(
        lambda reader, writer: hand_on(reader, writer, lambda: asyncio.open_unix_connection(path)), "127.0.0.1", port
    )


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while block := await reader.read(_BLOCK_BYTES):
            writer.write(block)
            await writer.drain()
    finally:
        writer.close()


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


if __name__ == "__main__":
    sys.exit(asyncio.run(inside(sys.argv[1], int(sys.argv[2]), sys.argv[3:])))
