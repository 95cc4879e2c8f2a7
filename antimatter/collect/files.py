"""Files of the user: a folder, one file, or a glob.

input                every file below it that is not hidden, but for the README.md at its top
input/web/*.jsonl    what matches; ** goes through folders; names are relative to input/web
"""

import glob
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from antimatter.collect.errors import MissingSource, SourceError


def find(path: str, ignored: Counter[str]) -> tuple[Path, list[str]]:
    """(root, names of the files below it, sorted). Counts linked folders in `ignored`: DVC looks into none either.

    Raises: MissingSource if there is nothing of that name; SourceError if a folder may not be read.
    """
    path = os.path.expanduser(path)
    if any(mark in path for mark in "*?[") and not os.path.exists(path):
        root = _literal_root(path)
        matched = sorted(set(glob.glob(path, recursive=True)))  # two ** may find a file twice
        names = [Path(name).relative_to(root).as_posix() for name in matched if os.path.isfile(name)]
        names = [name for name in names if not _is_behind_a_link(root, name, ignored)]
        if not names:
            raise MissingSource(f"no file matches {path}", "no such file")
    elif os.path.isfile(path):
        root, names = Path(path).parent, [Path(path).name]
    elif os.path.isdir(path):
        root = Path(path)
        names = list(_walk(root, ignored))
    else:
        raise MissingSource(f"there is no folder or file {path}", "no such folder")
    return root, sorted(names, key=os.fsencode)


def _is_behind_a_link(root: Path, name: str, ignored: Counter[str]) -> bool:
    """Whether a folder on the way to a file is a link: it may lead around in a circle."""
    folders = Path(name).parents[:-1]
    linked = any((root / folder).is_symlink() for folder in folders)
    ignored["behind a linked folder"] += linked
    return linked


def _literal_root(pattern: str) -> Path:
    """The folder above the first part that holds a wildcard."""
    literal: list[str] = []
    for part in Path(pattern).parts[:-1]:
        if any(mark in part for mark in "*?["):
            break
        literal.append(part)
    return Path(*literal)


def _refuse(error: OSError) -> None:
    raise SourceError(f"{error.filename} cannot be read ({error.strerror}): what is in it would be missing")


def _walk(root: Path, ignored: Counter[str]) -> Iterator[str]:
    for folder, folders, names in os.walk(root, onerror=_refuse):
        ignored["linked folder"] += sum((Path(folder) / name).is_symlink() for name in folders)
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(folder) / name
            relative = path.relative_to(root).as_posix()
            if name.startswith(".") or relative == "README.md":
                continue
            if path.is_file():
                yield relative
            else:
                ignored["no file"] += 1
