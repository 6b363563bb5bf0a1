"""Downloads from a local server that imitates every fault of real servers."""
import gzip
import hashlib
import http.client
import http.server
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from tinyae import console, data
from tinyae.data import download, idx, published, reply
from tinyae.errors import BadFile

FILE = np.random.default_rng(0).bytes(300_000)
HALF = len(FILE) // 2


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by the next word of server.moods, and as it should when there is none left."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        server.requests.append((self.path, self.headers.get("Range")))
        mood = server.moods.pop(0) if server.moods else "good"
        self.close_connection = True
        content = server.files.get(self.path.lstrip("/"), FILE)
        if isinstance(mood, int):
            return self.send_error(mood)
        if mood == "redirect":
            return self.answer(302, b"", Location="/elsewhere")
        if mood == "circle":
            server.moods.append("circle")
            return self.answer(302, b"", Location=self.path)
        if mood == "html":
            return self.answer(200, b"<html>Please log in</html>")
        if mood == "corrupt":
            return self.answer(200, content[:1000] + b"\0\0\0\0" + content[1004:], ETag='"1"')
        if mood == "truncate":
            return self.answer(200, content[:len(content) // 2], length=len(content), ETag='"1"')
        if mood == "truncate, unnamed":
            return self.answer(200, content[:len(content) // 2], length=len(content))
        if mood == "stall":
            self.answer(200, content[:len(content) // 2], length=len(content), ETag='"1"')
            return server.over.wait(10)
        if mood == "deaf":
            return server.over.wait(10)
        if mood == "hang up":
            return self.connection.close()
        if mood == "nonsense":
            return self.wfile.write(b"\0\1\2 what?\r\n\r\n")
        if mood == "says less":
            return self.answer(200, content, length=HALF)
        if mood == "says more":
            return self.answer(200, content, length=2 * len(content), ETag='"1"')
        if mood == "says nothing":
            return self.answer(200, content, length=None)
        if mood == "huge":
            return self.answer(200, content, length=10**12)
        if mood == "endless":
            self.answer(200, b"", length=None)
            while True:
                self.wfile.write(bytes(1 << 16))
        if mood == "wrong piece":
            return self.answer(206, content[10:], ETag='"1"', **{"Content-Range": f"bytes 10-{len(content)}/*"})
        if mood == "a part unasked":
            return self.answer(206, content[:100], ETag='"1"')
        if mood == "a part unasked, at an offset":
            return self.answer(206, content[100:], **{"Content-Range": f"bytes 100-{len(content)}/*"})
        if mood == "a part unasked, from the start":
            return self.answer(206, content[:100], **{"Content-Range": f"bytes 0-99/{len(content)}"})
        if mood == "no text":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nETag: \"\xff\xfe\x1b[31m\"\r\nX\xe9: \x80\r\nContent-Length: "
                             + str(len(content)).encode() + b"\r\n\r\n")
            return self.wfile.write(content)
        if mood == "steers the terminal":
            return self.wfile.write(b"HTTP/1.1 404 \x1b]0;owned\x07\x9b31m\r\n\r\n")
        if mood.startswith("to "):
            return self.answer(302, b"", Location=mood[3:])
        if mood == "negative chunk":
            return self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\n")
        if mood in ("slow head", "slow body"):
            start = b"HTTP/1.1 200 OK\r\n" + b"Content-Length: 300000\r\n\r\n" * (mood == "slow body")
            self.wfile.write(start)
            while not server.over.wait(0.05):
                self.wfile.write(b"x")
            return None
        if mood == "changed":
            server.files[self.path.lstrip("/")] = content = bytes(reversed(content))
            return self.answer(200, content, ETag='"2"')
        assert mood == "good"
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        if start and self.headers["If-Range"] == '"1"':
            if start >= len(content):
                return self.send_error(416)
            return self.answer(206, content[start:], ETag='"1"',
                               **{"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"})
        return self.answer(200, content, ETag='"1"')

    def answer(self, status, content, length=0, **headers):
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length or len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):    # clients hang up here, on purpose
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(reply, "TIMEOUT", 0.6)
    monkeypatch.setattr(download, "WAITS", (0.01, 0.01, 0.01))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server(("127.0.0.1", 0), Handler) as server:
        server.moods, server.requests, server.files, server.over = [], [], {}, threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}/file.gz"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()


def check(path):
    if path.read_bytes() != FILE:
        raise BadFile("not it", expected="the file", got="other bytes", fix="none")


def fetch(server, target, urls=None):
    download.fetch(urls or [server.url], target, check, progress=False)
    assert target.read_bytes() == FILE
    assert sorted(p.name for p in target.parent.iterdir()) == [target.name], "something is left lying about"


@pytest.mark.parametrize("moods, requests", [
    ([], 1), (["redirect"], 2), (["says nothing"], 1),
    (["truncate"], 2), (["stall"], 2), (["truncate, unnamed"], 2), (["deaf"], 2), (["hang up"], 2), (["nonsense"], 2),
    ([500], 2), ([503, 429, 408], 4), (["truncate", 500, "hang up"], 4),
    (["truncate", "wrong piece"], 3), (["truncate", 416], 3),
], ids=str)
def test_one_address_is_tried_again(server, tmp_path, moods, requests):
    server.moods += moods
    fetch(server, tmp_path / "file.gz")
    assert len(server.requests) == requests


@pytest.mark.parametrize("mood, reason", [
    (403, "HTTP 403"), (404, "HTTP 404"), (410, "HTTP 410"), ("circle", "HTTP 302"), ("corrupt", "something else"),
    ("html", "something else"), ("says less", "something else"), ("huge", "offers 1,000,000,000,000 bytes"),
    ("endless", "does not stop"),
], ids=str)
def test_what_will_not_get_better_is_tried_once_and_then_the_next_address(server, tmp_path, mood, reason, monkeypatch):
    monkeypatch.setattr(download, "LIMIT", 2**20)
    server.moods += [mood]
    with pytest.raises(BadFile, match=reason) as caught:
        download.fetch([server.url], tmp_path / "file.gz", check, progress=False)
    assert f"into {tmp_path}" in str(caught.value)
    assert reason != "something else" or not (tmp_path / "file.gz.part").exists(), "nobody can use it"
    server.moods[:] = [mood]
    server.requests.clear()
    if mood != "circle":
        fetch(server, tmp_path / "file.gz", [server.url, server.url + "?mirror"])
        assert [path for path, _ in server.requests] == ["/file.gz", "/file.gz?mirror"]


@pytest.mark.parametrize("mood, reason", [
    (500, "HTTP 500"), ("truncate", "broke off"), ("says more", "broke off"), ("hang up", "closed"),
    ("stall", "timed out"), ("deaf", "timed out")], ids=str)
def test_what_stays_bad_is_given_up(server, tmp_path, mood, reason):
    server.moods += 4 * [mood]
    with pytest.raises(BadFile, match=f"{reason}.*, 4 times"):
        download.fetch([server.url], tmp_path / "file.gz", check, progress=False)
    assert len(server.requests) == 4 and not (tmp_path / "file.gz").exists()


def test_a_broken_transfer_goes_on_where_it_ended(server, tmp_path):
    server.moods += ["truncate"]
    fetch(server, tmp_path / "file.gz")
    assert server.requests == [("/file.gz", None), ("/file.gz", f"bytes={HALF}-")]


def test_another_run_goes_on_where_the_last_ended(server, tmp_path):
    server.moods += 4 * ["truncate, unnamed"]
    server.moods[3] = "truncate"
    with pytest.raises(BadFile):
        download.fetch([server.url], tmp_path / "file.gz", check, progress=False)
    server.requests.clear()
    fetch(server, tmp_path / "file.gz")
    assert server.requests == [("/file.gz", f"bytes={HALF}-")]


def test_without_a_version_it_starts_over(server, tmp_path):
    server.moods += ["truncate, unnamed"]
    fetch(server, tmp_path / "file.gz")
    assert server.requests == [("/file.gz", None), ("/file.gz", None)]


def test_a_part_of_another_address_is_not_used(server, tmp_path):
    (tmp_path / "file.gz.part").write_bytes(b"from elsewhere")
    (tmp_path / "file.gz.part.tag").write_text('http://elsewhere/file.gz\n"1"')
    fetch(server, tmp_path / "file.gz")
    assert server.requests == [("/file.gz", None)]


@pytest.mark.parametrize("tag", [b"", b"\xff\xfe", b"one line", b"a\nb\nc"])
def test_a_damaged_tag_starts_over(server, tmp_path, tag):
    (tmp_path / "file.gz.part").write_bytes(FILE[:10])
    (tmp_path / "file.gz.part.tag").write_bytes(tag)
    fetch(server, tmp_path / "file.gz")


def test_a_part_that_is_whole_already(server, tmp_path):
    """Killed between the last byte and the check: nothing is left to send, so it starts over."""
    (tmp_path / "file.gz.part").write_bytes(FILE)
    (tmp_path / "file.gz.part.tag").write_text(f'{server.url}\n"1"')
    fetch(server, tmp_path / "file.gz")
    assert server.requests == [("/file.gz", f"bytes={len(FILE)}-"), ("/file.gz", None)]


def test_a_file_that_has_changed_starts_over(server, tmp_path):
    server.moods += ["truncate", "changed"]
    download.fetch([server.url], tmp_path / "file.gz", lambda path: None, progress=False)
    assert (tmp_path / "file.gz").read_bytes() == FILE[::-1]
    assert server.requests[1] == ("/file.gz", f"bytes={HALF}-")


@pytest.mark.parametrize("headers, version", [
    ({"ETag": '"1"', "Last-Modified": "today"}, '"1"'), ({"ETag": 'W/"1"', "Last-Modified": "today"}, "today"),
    ({"ETag": 'W/"1"'}, ""), ({}, "")], ids=str)
def test_only_what_names_the_bytes_exactly_is_a_version(headers, version):
    """A weak ETag is the same for files that differ in a byte."""
    message = http.client.HTTPMessage()
    for name, value in headers.items():
        message[name] = value
    assert download._version(message) == version


def test_a_bar_shows_how_far_it_is(server, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(console, "_is_terminal", lambda stream: True)
    download.fetch([server.url], tmp_path / "file.gz", check, progress=True)
    assert "file.gz 100%" in capsys.readouterr().err


@pytest.mark.parametrize("mood", ["slow head", "slow body"])
def test_a_byte_now_and_then_does_not_hold_up_the_next_address(server, tmp_path, monkeypatch, mood):
    """Each byte is in time, but the whole would take for ever."""
    monkeypatch.setattr(reply, "PATIENCE", 0.5)
    server.moods += [mood]
    start = time.monotonic()
    fetch(server, tmp_path / "file.gz", [server.url, server.url + "?mirror"])
    assert time.monotonic() - start < 5
    server.moods += [mood]
    with pytest.raises(BadFile, match=r"too slow, \d+ bytes in \d seconds"):
        download.fetch([server.url], tmp_path / "other.gz", check, progress=False)


def test_the_deadline_moves_with_what_has_come(monkeypatch):
    deadline = reply.Deadline()
    before = deadline.left()
    deadline.received += 10 * reply.PACE
    assert 9 < deadline.left() - before < 10.001


@pytest.mark.parametrize("mood", ["a part unasked", "a part unasked, at an offset", "negative chunk", "no text",
                                  "steers the terminal", "to http://[::1/x", "to http://a..b/", "to ftp://127.0.0.1:1/x",
                                  "to http://" + 70 * "a" + ".invalid/", "to \x80"])
def test_a_hostile_answer_is_followed_by_the_next_address(server, tmp_path, mood):
    server.moods += 4 * [mood] if mood.startswith(("a part", "negative")) else [mood]
    fetch(server, tmp_path / "file.gz", [server.url, server.url + "?mirror"])


@pytest.mark.parametrize("mood", ["a part unasked", "a part unasked, at an offset", "a part unasked, from the start"])
def test_a_part_that_was_not_asked_for_is_told_as_such(server, tmp_path, mood):
    server.moods += 4 * [mood]
    with pytest.raises(BadFile, match="another piece than the one asked for, 4 times"):
        download.fetch([server.url], tmp_path / "file.gz", check, progress=False)


def test_no_control_character_of_a_server_reaches_the_terminal(server, tmp_path):
    server.moods += ["steers the terminal"]
    with pytest.raises(BadFile, match="HTTP 404") as caught:
        download.fetch([server.url], tmp_path / "file.gz", check, progress=False)
    assert r"\x1b]0;owned\x07" in str(caught.value)
    assert all(c.isprintable() or c == "\n" for c in str(caught.value))


@pytest.mark.parametrize("name", ["file.gz.part", "file.gz.part.tag", "file.gz"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "link to a device"])
def test_what_is_in_the_way_is_named_and_not_opened(server, tmp_path, name, kind):
    path = tmp_path / name
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(OSError, match=f"{name} is there, but is not a file"):
        download.fetch([server.url], tmp_path / "file.gz", check, progress=False)


# the published sets, with small files in place of theirs

SMALL = [np.full((5, 4, 3), 7, np.uint8), np.arange(5, dtype=np.uint8)] * 2


@pytest.fixture
def mnist(server, tmp_path, monkeypatch):
    """The server has four small files in place of MNIST's."""
    for file, array in zip(idx.FILES, SMALL, strict=True):
        server.files[f"{file}.gz"] = gzip.compress(idx.header(array.shape) + array.tobytes())
    mirrors = tuple(f"http://127.0.0.1:{server.server_port}/" for _ in range(2))
    sums = tuple(map(idx.sha256, SMALL))
    monkeypatch.setitem(published.SETS, "mnist", published.Published("small", mirrors, sums, ""))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TINYAE_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "mnist"


def load(data_dir=None):
    train, test = data.load("mnist", data_dir, progress=False)
    assert (train.images == 7).all() and (test.labels == np.arange(5)).all()


def test_a_set_is_fetched_once(mnist, server):
    load()
    assert len(server.requests) == 4
    load()
    assert len(server.requests) == 4
    assert {path.name for path in mnist.iterdir()} == {".lock", *(f"{file}.gz" for file in idx.FILES)}


def test_only_what_is_missing_is_fetched(mnist, server):
    load()
    (mnist / f"{idx.FILES[1]}.gz").unlink()
    server.requests.clear()
    load()
    assert server.requests == [(f"/{idx.FILES[1]}.gz", None)]


def test_data_dir_is_looked_in_and_kept_in_first(mnist, server, tmp_path):
    load(tmp_path / "mine")
    assert (tmp_path / "mine" / "mnist" / f"{idx.FILES[0]}.gz").exists() and not mnist.exists()


@pytest.mark.parametrize("folder", ["", "mnist"])
def test_files_that_are_there_are_found(mnist, server, tmp_path, folder):
    place = tmp_path / "mine" / folder
    place.mkdir(parents=True)
    for file, array in zip(idx.FILES, SMALL, strict=True):
        (place / file).write_bytes(idx.header(array.shape) + array.tobytes())
    load(tmp_path / "mine")
    assert not server.requests


def test_the_same_content_compressed_otherwise_is_accepted(mnist, server):
    server.files = {name: gzip.compress(gzip.decompress(content), 1) for name, content in server.files.items()}
    load()


def test_a_mirror_with_other_content_is_passed_over(mnist, server):
    server.moods += ["html"]
    load()
    assert len(server.requests) == 5


def test_content_that_is_wrong_everywhere_is_refused(mnist, server):
    name = f"{idx.FILES[1]}.gz"
    server.files[name] = gzip.compress(idx.header((5,)) + b"wrong")
    with pytest.raises(BadFile, match=f"mnist: {name} could not be fetched") as caught:
        load()
    left = f"put {', '.join(idx.FILES[1:])} (or the same with .gz) into {mnist}"
    assert left in str(caught.value) and hashlib.sha256(idx.header((5,)) + b"wrong").hexdigest() in str(caught.value)


def test_a_kept_file_that_is_damaged_is_named(mnist, server):
    load()
    path = mnist / f"{idx.FILES[0]}.gz"
    path.write_bytes(gzip.compress(idx.header((5, 4, 3)) + bytes(60)))
    with pytest.raises(BadFile, match=r"not the published file(.|\n)*delete it"):
        load()


def test_offline_says_what_to_put_where(mnist, server):
    server.shutdown()
    server.server_close()
    with pytest.raises(BadFile, match=r"refused") as caught:
        load()
    assert f"put {', '.join(idx.FILES)} (or the same with .gz) into {mnist}" in str(caught.value)


def test_a_name_that_cannot_be_resolved_is_not_waited_for(mnist, monkeypatch):
    monkeypatch.setattr(download, "WAITS", (60,))
    mirrors = ("http://no-such-host.invalid/",)
    monkeypatch.setitem(published.SETS, "mnist", published.SETS["mnist"]._replace(mirrors=mirrors))
    start = time.monotonic()
    with pytest.raises(BadFile, match="no-such-host"):
        load()
    assert time.monotonic() - start < 30


def test_a_folder_that_cannot_be_written(mnist, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadFile, match=r"cannot be kept in(.|\n)*--data-dir"):
        load(tmp_path / "file" / "below")


def test_a_full_disk(mnist, tmp_path):
    resource = pytest.importorskip("resource")
    code = ("import resource, signal, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20)); "
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); " + _as_here())
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert resource and done.returncode == 1 and "cannot be kept in" in done.stderr, done.stderr


def test_two_processes_at_once(mnist, server):
    server.moods += ["truncate"]
    processes = [subprocess.Popen([sys.executable, "-c", _as_here()]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(server.requests) == 5, "who waits finds the files there"
    load()


def test_a_process_that_is_killed_leaves_what_the_next_goes_on_from(mnist, server):
    server.moods += ["stall"]
    process = subprocess.Popen([sys.executable, "-c", _as_here()])
    part = mnist / f"{idx.FILES[0]}.gz.part"
    server.files[f"{idx.FILES[0]}.gz"] = FILE
    deadline = time.monotonic() + 20
    while not (part.exists() and part.stat().st_size >= 65536) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert part.exists()
    server.files[f"{idx.FILES[0]}.gz"] = gzip.compress(idx.header((5, 4, 3)) + SMALL[0].tobytes())
    load()


def _as_here():
    """Code that loads MNIST in another process, with the small files of this one."""
    return ("from tinyae import data; from tinyae.data import published; "
            f"published.SETS['mnist'] = published.Published(*{tuple(published.SETS['mnist'])!r}); "
            "data.load('mnist', progress=False)")
