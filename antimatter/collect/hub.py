"""Datasets of the Hugging Face hub: pinned by revision, fetched file by file, verified, kept.

    work/downloads/hub/allenai--c4/1588ec4.../en/c4-train.00000-of-01024.json.gz   whole and verified, or not there
                                   1588ec4....partial/en/c4-train.00001-...        where the next run goes on
                                   1588ec4....verified/en/c4-train.00000-...       size and time of what was verified
                                   1588ec4....listing/<digest of a folder>.json    never changes: a revision is pinned

What we take from huggingface_hub: its session (the user's proxies, certificates and client factory), its addresses, its
offline switch, its reading of rate limits. What we do ourselves, because huggingface_hub 2.4 does it otherwise:

- hf_hub_download writes to a name of its own each time and deletes it on failure: after a kill, or five broken
  connections, a file starts at zero again. Here a partial file stays, and the rest is asked for by Range.
- It retries no 5xx and no reset connection while a file is read, and compares sizes only. Here one patience serves
  every request, and the content must have the digest of the listing: sha256, or git's own sha1 for small files.
- It copies what it finds in HF_HOME, writes there (which programs drive it, xet's chunks), and may send the saved
  login token. Here nothing is read or written outside the cache folder; the token is HF_TOKEN or none.
- list_repo_tree waits without limit, and sends the token to whatever host the next page is said to be on.
- xet is not used: plain HTTP gives every file below 50 GB and needs no second cache of its chunks.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from fnmatch import fnmatchcase
from io import BufferedRandom, BufferedReader
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlsplit

import xxhash

from antimatter.collect.errors import SourceError, WrongDigest
from antimatter.collect.hub_requests import (
    NO_ANSWER,
    Dataset,
    Failed,
    Stopped,
    endpoint_of,
    label,
    opened,
    patiently,
    say,
)
from antimatter.corpus.shards import atomic_path

_HASH_SEED = 0x5EED_0F_F11E5


class RemoteFile(NamedTuple):
    """A file of a dataset as the hub lists it; one of the two digests is there."""

    path: str
    size: int
    """Bytes as stored, compressed or not."""
    sha256: str = ""
    """Of files in large file storage."""
    git_sha1: str = ""
    """Of the others: git's name for their content."""


def folder(dataset: Dataset, cache: Path) -> Path:
    """Where the files of this revision lie, at their paths in the repository."""
    return cache / "hub" / dataset.dataset.replace("/", "--") / dataset.revision


def listing(dataset: Dataset, cache: Path) -> list[RemoteFile]:
    """The files that match a pattern, by path. Asks the hub once; a listing in the cache needs no network.

    Raises: SourceError if the dataset, its revision or a file for one of the patterns is not there, or not for this
            user; MissingSource if the hub cannot be asked.
    """
    found: dict[str, RemoteFile] = {}
    for part in _folders(dataset.patterns):
        found.update((file.path, file) for file in _tree(dataset, part, cache))
    for pattern in dataset.patterns:
        if not any(fnmatchcase(path, pattern) for path in found):
            some = ", ".join(sorted(found)[:5]) or "none"
            raise SourceError(
                f"{label(dataset)}: no file matches {pattern}; correct the pattern in params.yaml. "
                f"Files looked at: {len(found)} ({some}{', ...' if len(found) > 5 else ''})"
            )
    return [found[path] for path in sorted(found) if any(fnmatchcase(path, pattern) for pattern in dataset.patterns)]


def fetch_files(dataset: Dataset, files: Sequence[RemoteFile], cache: Path, workers: int = 4) -> list[Path]:
    """The verified files in the cache, in the order given; downloads what is not there, `workers` at a time.

    A file gets its name when its content has been verified. It is hashed again only if its size or time changed since
    (someone put or edited it there): hashing 45 GB at each start would take minutes and find what no one has touched.

    Raises: MissingSource naming the file if the hub fails again and again; WrongDigest if it twice delivers another
            content than it lists; SourceError if the hub refuses or the disk has no room. What has come stays for the
            next run.
    """
    distinct = list(dict.fromkeys(files))
    wanting = [file for file in distinct if not _is_verified(dataset, file, cache)]
    if wanting:
        _require_room(dataset, wanting, cache)
        total = sum(file.size for file in wanting) / 1e6
        there = f", {len(distinct) - len(wanting)} are there" if len(wanting) < len(distinct) else ""
        say(f"fetching {len(wanting)} files of {dataset.dataset} ({total:,.1f} MB{there})")
        stop = threading.Event()
        with ThreadPoolExecutor(max_workers=workers) as threads:
            started = [threads.submit(_fetch, dataset, file, cache, stop) for file in wanting]
            try:
                wait(started, return_when=FIRST_EXCEPTION)
            finally:  # after one failure, or Ctrl-C, the others end at their next piece
                stop.set()
                threads.shutdown(wait=False, cancel_futures=True)
        errors = [future.exception() for future in started if not future.cancelled()]
        for error in errors:
            if error is not None and not isinstance(error, Stopped):
                raise error
    return [folder(dataset, cache) / file.path for file in files]


def choose(
    files: Sequence[RemoteFile], wanted_bytes: int, text_bytes_of_first: Callable[[RemoteFile], int]
) -> list[RemoteFile]:
    """As many files as hold about wanted_bytes of text, by path; 0 = all of them.

    One file is measured (fetched, its bytes of text counted by `text_bytes_of_first`); the others are expected to hold
    as much text per stored byte, with 10 % to spare. Files are taken in the order of a keyed hash of their paths, not
    in the order of a listing: crawls lie in folders by date, code in files by language, books by number, so the
    beginning of a dataset is one year, one language or one shelf of it. The choice depends on paths, sizes and that one
    measurement alone. Measured is the first in that order that is no smaller than half of the files: a README among
    them says nothing about the rest.

    Raises: SourceError if the measured file holds no text.
    """
    if not wanted_bytes or not files:
        return sorted(files)
    order = sorted(files, key=lambda file: (xxhash.xxh3_64_intdigest(file.path.encode(), seed=_HASH_SEED), file.path))
    typical = statistics.median_low(file.size for file in files)
    first = next(file for file in order if file.size >= typical)
    text_bytes = text_bytes_of_first(first)
    if text_bytes <= 0:
        raise SourceError(f"{first.path} holds no text: is text_field the right one?")
    chosen, stored = [first], first.size
    for file in order:
        if 10 * stored * text_bytes >= 11 * wanted_bytes * first.size:  # whole numbers: the same on every machine
            break
        if file != first:
            chosen.append(file)
            stored += file.size
    return sorted(chosen)


# --- the listing


def _folders(patterns: Sequence[str]) -> list[str]:
    """The deepest folders that hold every match; one inside another is left out. "" is the whole repository.

    >>> _folders(("en/c4-train.*.json.gz", "en/sub/x*")), _folders(("*.parquet", "en/*"))
    (['en'], [''])
    """
    starts = sorted({re.split(r"[*?[]", pattern, maxsplit=1)[0].rpartition("/")[0] for pattern in patterns})
    return [part for part in starts if not any(part != other and _is_inside(part, other) for other in starts)]


def _is_inside(part: str, other: str) -> bool:
    return not other or part.startswith(f"{other}/")


def _tree(dataset: Dataset, part: str, cache: Path) -> list[RemoteFile]:
    """All files of a folder and of the folders in it."""
    base = folder(dataset, cache)
    kept = base.with_name(f"{base.name}.listing") / f"{xxhash.xxh3_64_hexdigest(part.encode())}.json"
    with contextlib.suppress(OSError, ValueError, TypeError):  # what cannot be read is asked for again
        return [RemoteFile(*fields) for fields in json.loads(kept.read_text(encoding="utf-8"))["files"]]
    files = sorted(patiently(lambda: _ask_for_tree(dataset, part), f"the listing of {label(dataset)}"))
    for file in files:
        _require_harmless(dataset, file)
    if files:
        with atomic_path(kept) as temporary:
            content = {"folder": part, "files": [list(file) for file in files]}
            temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return files


def _ask_for_tree(dataset: Dataset, part: str) -> list[RemoteFile]:
    inside = f"/{quote(part, safe='')}" if part else ""
    url = f"{endpoint_of()}/api/datasets/{quote(dataset.dataset)}/tree/{dataset.revision}{inside}"
    files: list[RemoteFile] = []
    asked: list[dict[str, str]] = []
    query = {"recursive": "true", "expand": "false"}
    while query:
        if query in asked:
            raise Failed("the pages of the listing go in a circle", NO_ANSWER)
        asked.append(query)
        with opened(dataset, url, query, {}) as answer:
            if answer.status_code == 404:  # the dataset and its revision are there, the folder is not
                return []
            answer.read()
            try:
                files += [_remote_file(entry) for entry in answer.json() if entry["type"] == "file"]
            except (ValueError, KeyError, TypeError) as error:
                raise Failed(f"the listing is not what a hub sends ({type(error).__name__})", NO_ANSWER) from error
            # of the next page's address its query alone: on another host it would receive the token
            query = dict(parse_qsl(urlsplit(answer.links.get("next", {}).get("url", "")).query))
    return files


def _remote_file(entry: Mapping[str, Any]) -> RemoteFile:
    if lfs := entry.get("lfs"):
        return RemoteFile(str(entry["path"]), int(lfs["size"]), sha256=str(lfs["oid"]))
    return RemoteFile(str(entry["path"]), int(entry["size"]), git_sha1=str(entry["oid"]))


def _require_harmless(dataset: Dataset, file: RemoteFile) -> None:
    parts = file.path.split("/")
    if file.size < 0 or "\\" in file.path or "\0" in file.path or not all(parts) or {".", ".."} & set(parts):
        raise SourceError(f"{label(dataset)} lists a file {file.path!r} that cannot be stored; choose other patterns")


# --- one file


def _fetch(dataset: Dataset, file: RemoteFile, cache: Path, stop: threading.Event) -> None:
    try:
        _fetch_to_its_place(dataset, file, cache, stop)
    except OSError as error:  # of the disk: those of the network are Failed
        raise SourceError(
            f"{file.path} of {label(dataset)} cannot be stored where the downloads lie ({error.strerror}). Make room, "
            "or put the folder right, and run again: what has come stays."
        ) from error


def _fetch_to_its_place(dataset: Dataset, file: RemoteFile, cache: Path, stop: threading.Event) -> None:
    base = folder(dataset, cache)
    target, partial = base / file.path, base.with_name(f"{base.name}.partial") / file.path
    for path in (target, partial):
        path.parent.mkdir(parents=True, exist_ok=True)
    with open(partial, "a+b") as out:
        with contextlib.suppress(OSError):  # some cluster file systems have no locks; the digest is checked anyway
            fcntl.flock(out, fcntl.LOCK_EX)  # of two runs one downloads; the other finds the file in its place
        if _is_verified(dataset, file, cache):
            partial.unlink(missing_ok=True)
            return
        started, there = time.monotonic(), out.seek(0, os.SEEK_END)
        if there:
            say(f"{file.path}: {there / 1e6:,.1f} of {file.size / 1e6:,.1f} MB are there from an earlier run")
        _download_verified(dataset, file, out, stop)
        os.fsync(out.fileno())
        os.replace(partial, target)
        _remember(dataset, file, cache)
    seconds = max(time.monotonic() - started, 1e-3)
    speed = max(file.size - there, 0) / 1e6 / seconds
    say(f"fetched {file.path} of {dataset.dataset} ({file.size / 1e6:,.1f} MB, {speed:,.1f} MB/s)")


def _download_verified(dataset: Dataset, file: RemoteFile, out: BufferedRandom, stop: threading.Event) -> None:
    what = f"{file.path} of {label(dataset)}"
    for again in (True, False):
        patiently(lambda: _continue(dataset, file, out, stop), what, lambda: out.seek(0, os.SEEK_END), stop)
        found = _digest(out, file)
        if found == _expected(file):
            return
        out.truncate(0)  # put together from an old piece, or changed on the way: once more, from the beginning
        if again:
            say(f"{file.path}: the content is not what the hub lists; once more from the beginning")
    raise WrongDigest(
        f"{what}: the content has digest {found}, the hub lists {_expected(file)}, twice. A proxy or a mirror "
        "(HF_ENDPOINT) alters it, or it was replaced: find out why before using it."
    )


def _continue(dataset: Dataset, file: RemoteFile, out: BufferedRandom, stop: threading.Event) -> None:
    """Append what is still missing."""
    from huggingface_hub import hf_hub_url

    there = out.seek(0, os.SEEK_END)
    if there > file.size:
        there = out.truncate(0)
    if there == file.size:
        return
    endpoint = endpoint_of()
    url = hf_hub_url(dataset.dataset, file.path, repo_type="dataset", revision=dataset.revision, endpoint=endpoint)
    # identity: an answer compressed on the way has no length, and its bytes are not those of the file
    headers = {"accept-encoding": "identity", **({"range": f"bytes={there}-"} if there else {})}
    with opened(dataset, url, {}, headers) as answer:
        if answer.status_code == 404:
            raise SourceError(f"{label(dataset)} lists {file.path}, but does not have it")
        if not answer.headers.get("content-range", "").startswith(f"bytes {there}-"):
            there = 0  # the whole file: nothing else was asked for, or the server does not do ranges
        offered = answer.headers.get("content-length", "")
        if offered.isdigit() and int(offered) != file.size - there:  # such as the page of a hotel's network
            raise Failed(f"{offered} bytes are offered where {file.size - there} are missing", NO_ANSWER)
        out.truncate(there)
        out.seek(there)
        try:
            for chunk in answer.iter_raw():
                if stop.is_set():
                    raise Stopped
                there += out.write(chunk)
                if there > file.size:
                    out.truncate(0)
                    raise Failed("more bytes come than the hub lists", NO_ANSWER)
        finally:
            out.flush()
    if there < file.size:
        raise Failed(f"the answer ends after {there} of {file.size} bytes", NO_ANSWER)


def _is_verified(dataset: Dataset, file: RemoteFile, cache: Path) -> bool:
    """Whether the file lies there with the right content; one of another size is not looked at."""
    target = folder(dataset, cache) / file.path
    try:
        found = target.stat()
        if found.st_size != file.size:
            return False
        with contextlib.suppress(FileNotFoundError):
            if _marker(dataset, file, cache).read_text(encoding="utf-8") == _stamp(found):
                return True
        if found.st_size > 1_000_000_000:
            say(f"{file.path}: hashing what is there")
        with open(target, "rb") as content:
            if _digest(content, file) != _expected(file):
                say(f"{file.path}: what is there is not what the hub lists")
                return False
    except FileNotFoundError:
        return False
    _remember(dataset, file, cache)
    return True


def _remember(dataset: Dataset, file: RemoteFile, cache: Path) -> None:
    with atomic_path(_marker(dataset, file, cache)) as temporary:
        temporary.write_text(_stamp((folder(dataset, cache) / file.path).stat()), encoding="utf-8")


def _marker(dataset: Dataset, file: RemoteFile, cache: Path) -> Path:
    base = folder(dataset, cache)
    return base.with_name(f"{base.name}.verified") / file.path


def _stamp(found: os.stat_result) -> str:
    return f"{found.st_size} {found.st_mtime_ns}"


def _expected(file: RemoteFile) -> str:
    return file.sha256 or file.git_sha1


def _digest(content: BufferedReader | BufferedRandom, file: RemoteFile) -> str:
    content.seek(0)
    start = hashlib.sha256() if file.sha256 else hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)
    return hashlib.file_digest(content, lambda: start).hexdigest()


def _require_room(dataset: Dataset, wanting: Sequence[RemoteFile], cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    free, needed = shutil.disk_usage(cache).free, sum(file.size for file in wanting)
    base = folder(dataset, cache)
    partials = (base.with_name(f"{base.name}.partial") / file.path for file in wanting)
    needed -= sum(path.stat().st_size for path in partials if path.exists())
    if needed > free:
        raise SourceError(
            f"{label(dataset)}: {needed / 1e9:.1f} GB are to be fetched, {free / 1e9:.1f} GB are free where the "
            "downloads lie. Make room, set max_bytes of this source, or move the folder (ANTIMATTER_WORK)."
        )
