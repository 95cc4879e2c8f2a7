"""A hub on the loopback: the addresses that our client asks, and ways to misbehave.

GET /api/datasets/OWNER/NAME/tree/REVISION[/FOLDER]?recursive=true   pages of entries, the next one in Link
GET /datasets/OWNER/NAME/resolve/REVISION/PATH                       the file, or from a byte on (Range, 206)
"""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

DATASET = "owner/corpus"
REVISION = "0123456789abcdef0123456789abcdef01234567"


class Asked(NamedTuple):
    """A request as it came."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""

    @property
    def start(self) -> int:
        """First byte asked for."""
        return int(self.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))


@dataclass
class Misdeed:
    """What happens to the next requests whose path holds `where`."""

    where: str
    times: int
    answer: Callable[["Handler"], None] | None = None
    """Instead of the right one."""
    content: Callable[[bytes], bytes] | None = None
    """What is served as the file."""
    cut_after: int | None = None
    """Bytes of the body, after which the connection ends."""
    stall_after: int | None = None
    """Bytes of the body, after which nothing comes until the server closes."""
    announced: int | None = None
    """Content-Length, where it is wrong; -1 = none, the end of the connection is the end of the body."""
    ranges: bool = True


@dataclass
class Hub:
    """One dataset at one revision."""

    files: dict[str, bytes] = field(default_factory=dict)
    small: set[str] = field(default_factory=set)
    """Files kept in git, listed with git's sha1; the others have a sha256."""
    page_entries: int = 1000
    next_page_host: str = ""
    """Host that the Link header names; "" = the same."""
    storage: str = ""
    """Address that large files are redirected to."""
    needed_token: str = ""
    misdeeds: list[Misdeed] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    address: str = ""
    stalled: threading.Event = field(default_factory=threading.Event)
    """Set when a stall has begun."""
    closing: threading.Event = field(default_factory=threading.Event)

    def misbehave(self, where: str, times: int = 1, **how: object) -> None:
        self.misdeeds.append(Misdeed(where, times, **how))  # type: ignore[arg-type]

    def fail(self, where: str, status: int, times: int = 1, **headers: str) -> None:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self.misbehave(where, times, answer=lambda handler: handler.refuse(status, names))

    def downloads(self) -> list[Asked]:
        return [asked for asked in self.asked if "/resolve/" in asked.path]

    def next_misdeed(self, path: str) -> Misdeed:
        for misdeed in self.misdeeds:
            if misdeed.where in path and misdeed.times > 0:
                misdeed.times -= 1
                return misdeed
        return Misdeed("", 0)

    def entries(self, folder: str) -> list[dict[str, object]]:
        inside = [path for path in sorted(self.files) if not folder or path.startswith(f"{folder}/")]
        folders = sorted({path.rpartition("/")[0] for path in inside} - {"", folder})
        found: list[dict[str, object]] = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": p} for p in folders]
        for path in inside:
            content = self.files[path]
            git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            entry: dict[str, object] = {"type": "file", "oid": git, "size": len(content), "path": path}
            if path not in self.small:
                oid = hashlib.sha256(content).hexdigest()
                entry |= {"oid": "f" * 40, "lfs": {"oid": oid, "size": len(content), "pointerSize": 134}}
            found.append(entry)
        return found


class Handler(BaseHTTPRequestHandler):
    """Answers for `hub`."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def refuse(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def do_GET(self) -> None:
        hub = self.hub
        hub.asked.append(Asked(self.path, {name.lower(): value for name, value in self.headers.items()}))
        misdeed = hub.next_misdeed(self.path)
        if misdeed.answer is not None:
            misdeed.answer(self)
            return
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        api = parts[0] == "api"
        name, verb, revision, path = (
            "/".join(parts[api + 1 : api + 3]),
            parts[api + 3],
            parts[api + 4],
            parts[api + 5 :],
        )
        if hub.needed_token and self.headers.get("Authorization") != f"Bearer {hub.needed_token}":
            self.refuse(401, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"})
        elif name != DATASET:
            self.refuse(401, {"X-Error-Code": "RepoNotFound"})  # the real one tells nobody which names exist
        elif revision != REVISION:
            self.refuse(404, {"X-Error-Code": "RevisionNotFound"})
        elif api and verb == "tree":
            self.send_tree("/".join(path))
        elif verb == "resolve" and "/".join(path) in hub.files:
            self.send_file("/".join(path), misdeed)
        else:
            self.refuse(404, {"X-Error-Code": "EntryNotFound"})

    def send_tree(self, folder: str) -> None:
        hub = self.hub
        entries = hub.entries(folder)
        if not entries:
            self.refuse(404, {"X-Error-Code": "EntryNotFound"})
            return
        start = int(parse_qs(urlsplit(self.path).query).get("cursor", ["0"])[0])
        stop = start + hub.page_entries
        body = json.dumps(entries[start:stop]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if stop < len(entries):
            here = urlsplit(self.path).path
            host = hub.next_page_host or hub.address
            self.send_header("Link", f'<{host}{here}?recursive=true&expand=false&cursor={stop}>; rel="next"')
        self.end_headers()
        self.wfile.write(body)

    def send_file(self, path: str, misdeed: Misdeed) -> None:
        hub = self.hub
        if hub.storage and path not in hub.small:
            address = f"{hub.storage}/datasets/{DATASET}/resolve/{REVISION}/{quote(path)}"
            self.refuse(302, {"Location": address, "X-Linked-Size": str(len(hub.files[path]))})
            return
        content = misdeed.content(hub.files[path]) if misdeed.content else hub.files[path]
        start = hub.asked[-1].start if misdeed.ranges else 0
        body = content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("X-Repo-Commit", REVISION)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        if misdeed.announced != -1:
            self.send_header("Content-Length", str(len(body) if misdeed.announced is None else misdeed.announced))
        self.end_headers()
        sent = next(given for given in (misdeed.cut_after, misdeed.stall_after, len(body)) if given is not None)
        self.wfile.write(body[:sent])
        self.wfile.flush()
        if misdeed.stall_after is not None:
            hub.stalled.set()
            hub.closing.wait(10)
        self.close_connection = self.close_connection or sent < len(body) or misdeed.announced is not None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # a client that hung up


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """The hub at hub.address until the block ends."""
    server = _Server(("127.0.0.1", 0), type("HandlerOfHub", (Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    try:
        yield hub
    finally:
        hub.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
