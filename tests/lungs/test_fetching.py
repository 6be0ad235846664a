from __future__ import annotations

import functools
import hashlib
import http.server
import json
import socket
import threading

import pytest
from lungmask.mask import MODEL_URLS

from fdglung.cli import main
from fdglung.errors import DownloadError, OutputWriteError, ParameterError
from fdglung.lungs.fetching import RELEASE_URL, fetch_weights
from fdglung.lungs.weights import PUBLISHED

CONTENT = bytes(range(256)) * 9000
FILE = f"unet_r231-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files; one whose name begins with `broken` is announced longer than it is."""

    def log_message(self, *args):
        pass

    def send_header(self, keyword, value):
        if keyword == "Content-Length" and self.server.promised_too_much:
            value = str(int(value) + 1000)
        super().send_header(keyword, value)


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        running.promised_too_much = False
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        running.folder, running.url = folder, f"http://127.0.0.1:{running.server_address[1]}"
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setitem(PUBLISHED, "R231", FILE)
    return tmp_path / "torch" / "hub" / "checkpoints"


def test_the_published_weights_are_those_that_lungmask_fetches(monkeypatch):
    monkeypatch.undo()
    assert {name: f"{RELEASE_URL}/{file}" for name, file in PUBLISHED.items()} == {
        name: url for name, (url, _) in MODEL_URLS.items()
    }


def test_weights_come_into_lungmasks_own_cache_once(server, cache):
    (server.folder / FILE).write_bytes(CONTENT)
    done = []
    path, fetched = fetch_weights("R231", base_url=server.url, progress=lambda text, fraction: done.append(fraction))
    assert (path, fetched) == (cache / FILE, True)
    assert path.read_bytes() == CONTENT
    assert done[-1] == 1.0
    (server.folder / FILE).unlink()
    assert fetch_weights("R231", base_url=server.url) == (path, False)


def test_a_broken_file_in_the_cache_is_fetched_again(server, cache):
    (server.folder / FILE).write_bytes(CONTENT)
    cache.mkdir(parents=True)
    (cache / FILE).write_bytes(CONTENT[:1000])
    assert fetch_weights("R231", base_url=server.url) == (cache / FILE, True)
    assert (cache / FILE).read_bytes() == CONTENT


def test_another_checksum_is_refused_and_nothing_is_left(server, cache):
    (server.folder / FILE).write_bytes(CONTENT + b"more")
    with pytest.raises(DownloadError, match="checksum"):
        fetch_weights("R231", base_url=server.url)
    assert list(cache.iterdir()) == []


def test_a_file_that_breaks_off_is_refused_and_an_earlier_one_stays(server, cache):
    (server.folder / FILE).write_bytes(CONTENT)
    server.promised_too_much = True
    cache.mkdir(parents=True)
    (cache / FILE).write_bytes(b"earlier")
    with pytest.raises(DownloadError, match=r"broke off after 2304000 of 2305000 bytes|connection broke"):
        fetch_weights("R231", base_url=server.url)
    assert [path.read_bytes() for path in cache.iterdir()] == [b"earlier"]


def test_a_server_without_the_file_is_said(server):
    with pytest.raises(DownloadError, match="404"):
        fetch_weights("R231", base_url=server.url)


def test_no_network_is_said_with_a_remedy_and_an_exit_code(server, capsys, cache):
    server.shutdown()
    server.server_close()
    assert main(["weights", "fetch", "R231", "--base-url", server.url]) == 2
    said = capsys.readouterr().err
    assert "there is no connection" in said
    assert "--lung-weights" in said
    assert list(cache.iterdir()) == []


def test_a_server_that_hangs_up_is_said():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=lambda: listening.accept()[0].close())
        thread.start()
        with pytest.raises(DownloadError, match="there is no connection"):
            fetch_weights("R231", base_url=f"http://127.0.0.1:{listening.getsockname()[1]}")
        thread.join()


def test_a_cache_that_cannot_be_written_is_said(server, cache):
    (server.folder / FILE).write_bytes(CONTENT)
    cache.parent.mkdir(parents=True)
    cache.write_bytes(b"a file where the folder should be")
    with pytest.raises(OutputWriteError, match="TORCH_HOME"):
        fetch_weights("R231", base_url=server.url)


def test_unknown_weights_are_refused():
    with pytest.raises(ParameterError, match="LTRCLobes"):
        fetch_weights("R232")


def test_the_command_tells_where_the_weights_are(server, capsys, cache):
    (server.folder / FILE).write_bytes(CONTENT)
    assert main(["weights", "fetch", "R231", "--base-url", server.url, "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["weights"]
    assert told == {
        "name": "R231",
        "file": str(cache / FILE),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "fetched": True,
    }
