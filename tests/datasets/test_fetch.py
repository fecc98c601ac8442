"""Files of data sets: found, downloaded from a local server, verified, and refused."""

import hashlib
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bpfree import files as cache
from bpfree.datasets import fetch
from bpfree.datasets.fetch import File, Source
from bpfree.errors import DataMissingError, FormatError

DATA = bytes(range(256)) * 700


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers well or badly, depending on the path, and keeps the paths it was asked for."""

    def __init__(self, asked, *args):
        self.asked = asked
        super().__init__(*args)

    def do_GET(self):
        self.asked.append(self.path)
        kind = self.path.split("/")[1]
        if kind == "moved":
            self.send_response(302)
            self.send_header("Location", "/good/file.bin")
            self.end_headers()
            return
        if kind == "gone":
            self.send_error(404)
            return
        body = {"foreign": b"<html>log in</html>", "long": DATA + b"!", "changed": DATA[:-1] + b"!"}.get(kind, DATA)
        self.send_response(200)
        if kind != "endless":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if kind == "short":
            body = body[:1000]
        for _ in range(100 if kind == "endless" else 1):
            self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    """Yield (address, paths asked for); the cache is in tmp_path and downloads are allowed."""
    asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, asked)) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.delenv("BPFREE_DATA", raising=False)
        monkeypatch.delenv("BPFREE_OFFLINE", raising=False)
        monkeypatch.setattr(fetch, "TIMEOUT_S", 5.0)
        yield f"http://127.0.0.1:{http.server_port}", asked
        http.shutdown()
        thread.join()


def one_file(address, *kinds):
    file = File("part/file.bin", len(DATA), sha256(DATA), tuple(f"{address}/{kind}/file.bin" for kind in kinds))
    return Source("things", (file,)), file


def cached(tmp_path):
    """Return every file in the cache, hidden ones included."""
    return sorted(path for path in (tmp_path / "cache").rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", ["good", "moved"])
def test_downloads_once_then_reads_the_cache(server, tmp_path, kind):
    address, asked = server
    source, file = one_file(address, kind)
    assert source.missing() == ["part/file.bin"]
    assert source.read(file) == DATA
    first = list(asked)
    assert first and source.read(file) == DATA and asked == first
    assert cached(tmp_path) == [tmp_path / "cache" / "bpfree" / "things" / "part" / "file.bin"]
    assert source.missing() == []


def test_a_second_address_is_tried(server, tmp_path):
    address, asked = server
    source, file = one_file(address, "gone", "foreign", "changed", "good")
    assert source.read(file) == DATA
    assert asked == [f"/{kind}/file.bin" for kind in ("gone", "foreign", "changed", "good")]
    assert len(cached(tmp_path)) == 1


WHY = {
    "gone": "HTTP Error 404",
    "foreign": f"expected {len(DATA):,} bytes, got 19: not the published file",
    "changed": "expected sha256",
    "long": f"more than {len(DATA):,} bytes",
    "endless": f"more than {len(DATA):,} bytes",
    "short": f"expected {len(DATA):,} bytes, got 1,000",
}


@pytest.mark.parametrize("kind", WHY)
def test_a_wrong_file_leaves_nothing_in_the_cache(server, tmp_path, kind):
    source, file = one_file(server[0], kind)
    with pytest.raises(DataMissingError) as caught:
        source.read(file)
    message = str(caught.value)
    assert WHY[kind] in message and ".part" not in message
    assert cached(tmp_path) == []


def test_nobody_answers(server, tmp_path, monkeypatch):
    source, file = one_file("http://127.0.0.1:9", "good")
    monkeypatch.setenv("BPFREE_DATA", str(tmp_path))
    with pytest.raises(DataMissingError) as caught:
        source.read(file)
    message = str(caught.value)
    for part in (
        "things: part/file.bin is not on this machine",
        str(tmp_path / "things"),
        str(tmp_path / "cache" / "bpfree" / "things"),
        "http://127.0.0.1:9/good/file.bin: <urlopen error",
        "with BPFREE_DATA=FOLDER",
    ):
        assert part in message
    assert isinstance(caught.value, FileNotFoundError)


def test_a_server_that_stalls(monkeypatch, server):
    monkeypatch.setattr(fetch, "TIMEOUT_S", 0.2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Handler, "do_GET", lambda self: threading.Event().wait(1.0))
        source, file = one_file(server[0], "good")
        with pytest.raises(DataMissingError, match="timed out"):
            source.read(file)


def test_instructions_name_every_missing_file(server):
    files = tuple(File(name, 1, sha256(b"a"), (f"{server[0]}/gone/{name}",)) for name in ("one", "two"))
    with pytest.raises(DataMissingError, match="(?s)/gone/one\n.*/gone/two\n.*  one\n  two$"):
        Source("things", files).read(files[0])


def test_offline_asks_nobody(server, monkeypatch):
    monkeypatch.setenv("BPFREE_OFFLINE", "1")
    source, file = one_file(server[0], "good")
    with pytest.raises(DataMissingError, match="nothing, as BPFREE_OFFLINE is set"):
        source.read(file)
    assert server[1] == []
    monkeypatch.setenv("BPFREE_OFFLINE", "0")
    assert source.read(file) == DATA


@pytest.mark.parametrize("address", ["file:///etc", "ftp://127.0.0.1"])
def test_only_http(server, address):
    source, file = one_file(address, "good")
    with pytest.raises(DataMissingError, match="expected an http address"):
        source.read(file)


def test_the_users_folder_comes_first_and_is_never_written(server, tmp_path, monkeypatch):
    source, file = one_file(server[0], "good")
    mine = tmp_path / "mine"
    mine.mkdir()
    monkeypatch.setenv("BPFREE_DATA", str(mine))
    assert source.read(file) == DATA and list(mine.rglob("*")) == []  # downloaded, into the cache
    (mine / "things" / "part").mkdir(parents=True)
    (mine / "things" / "part" / "file.bin").write_bytes(DATA[:-1] + b"?")
    with pytest.raises(FormatError, match=r"mine/things/part/file.bin: expected sha256 \w{64}, got \w{64}: .*delete"):
        source.read(file)
    (mine / "things" / "part" / "file.bin").write_bytes(DATA)
    (tmp_path / "cache" / "bpfree" / "things" / "part" / "file.bin").write_bytes(b"")
    assert source.read(file) == DATA


def test_a_damaged_cache_is_an_error_and_not_replaced(server, tmp_path):
    source, file = one_file(server[0], "good")
    path = tmp_path / "cache" / "bpfree" / "things" / "part" / "file.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA[:-1])
    with pytest.raises(FormatError, match=f"file.bin: expected {len(DATA):,} bytes, got {len(DATA) - 1:,}"):
        source.read(file)
    assert path.read_bytes() == DATA[:-1] and server[1] == []


def test_a_folder_that_is_not_there(monkeypatch, server):
    monkeypatch.setenv("BPFREE_DATA", "/nowhere/at/all")
    source, _ = one_file(server[0], "good")
    with pytest.raises(FileNotFoundError, match="BPFREE_DATA: expected a folder, got '/nowhere/at/all'"):
        source.missing()


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, "home/.cache/bpfree"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/bpfree"),
        ("darwin", {}, "home/Library/Caches/bpfree"),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, "/x/bpfree"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/bpfree"),
        ("win32", {}, "home/.cache/bpfree"),
    ],
)
def test_cache_folder(monkeypatch, platform, environment, expected):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cache.sys, "platform", platform)
    monkeypatch.setattr(cache.Path, "home", lambda: Path("home"))
    assert cache.cache_folder() == Path(expected)
