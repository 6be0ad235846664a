from __future__ import annotations

import asyncio
import json

import pytest

from labelapp.guard import Guard


async def application(scope, receive, send):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(len(body)).encode()})


def answer(*, client="127.0.0.1", chunks=(b"",), limit=100, allow_remote=False, **headers):
    headers = {"host": "127.0.0.1:8000", **headers}
    scope = {
        "type": "http",
        "client": (client, 1),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }
    waiting = [
        {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}
        for number, chunk in enumerate(chunks, start=1)
    ]
    sent = []

    async def receive():
        return waiting.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(Guard(application, limit_bytes=limit, allow_remote=allow_remote)(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def test_this_machine_may_ask_by_any_of_its_names():
    for host in ("127.0.0.1:8000", "localhost:8000", "[::1]:8000"):
        assert answer(host=host)[0] == 200


def test_another_machine_may_not_unless_it_is_let():
    status, body = answer(client="192.0.2.7", host="server:8000")
    assert status == 403
    assert "allow_remote" in json.loads(body)["detail"]
    assert answer(client="192.0.2.7", host="server:8000", allow_remote=True)[0] == 200


def test_a_name_that_was_made_to_point_to_this_machine_may_not():
    assert answer(host="evil.example")[0] == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://127.0.0.1:8000", 200), ("http://127.0.0.1:9000", 403), ("https://evil.example", 403)],
)
def test_only_pages_of_this_server_may_ask(origin, status):
    assert answer(origin=origin)[0] == status


def test_what_is_within_the_limit_passes_whole():
    assert answer(chunks=(b"x" * 60, b"x" * 40)) == (200, b"100")


def test_what_says_or_turns_out_to_be_larger_is_refused():
    assert answer(content_length="101")[0] == 413
    assert answer(content_length="many")[0] == 413
    status, body = answer(chunks=(b"x" * 60, b"x" * 41))
    assert status == 413
    assert "limit_mb" in json.loads(body)["detail"]
