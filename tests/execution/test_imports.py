from pathlib import Path

import pytest

from antimatter.execution.imports import closure


def files(folder: Path, **contents: str) -> None:
    for name, text in contents.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(root: Path, entry: str = "stages/a.py") -> list[str]:
    return [path.as_posix() for path in closure(Path(entry), root)]


def test_imports_are_followed_from_file_to_file_and_foreign_ones_are_not(tmp_path):
    files(
        tmp_path,
        stages__a="import json\nimport lib.one\n",
        lib__one="import numpy\nfrom lib.two import x\n",
        lib__two="x = 1\n",
        lib__three="",
    )
    assert names(tmp_path) == ["lib/one.py", "lib/two.py", "stages/a.py"]


def test_imports_inside_functions_count(tmp_path):
    files(tmp_path, stages__a="def f():\n    from lib import one\n", lib__one="y = 1\n")
    assert names(tmp_path) == ["lib/one.py", "stages/a.py"]


def test_relative_imports_are_resolved(tmp_path):
    files(
        tmp_path,
        stages__a="import lib.deep.one\n",
        lib__deep__one="from . import two\nfrom .three import x\nfrom .. import four\nfrom ..five import y\n",
        lib__deep__two="a = 1\n",
        lib__deep__three="x = 1\n",
        lib__four="b = 1\n",
        lib__five="y = 1\n",
    )
    assert names(tmp_path) == [
        "lib/deep/one.py", "lib/deep/three.py", "lib/deep/two.py", "lib/five.py", "lib/four.py", "stages/a.py",
    ]  # fmt: skip


def test_a_package_brings_its_init_unless_that_says_nothing(tmp_path):
    files(tmp_path, stages__a="import full.one\nimport empty.one\n", full__one="x = 1\n", empty__one="x = 1\n")
    (tmp_path / "full/__init__.py").write_text("from .two import y\n")
    (tmp_path / "full/two.py").write_text("y = 1\n")
    (tmp_path / "empty/__init__.py").write_text('"""Words alone."""\n')
    assert names(tmp_path) == ["empty/one.py", "full/__init__.py", "full/one.py", "full/two.py", "stages/a.py"]


@pytest.mark.parametrize("spawns", ['SPAWNS = ("lib.one",)', 'SPAWNS: tuple[str, ...] = ("lib.one",)'])
def test_what_a_module_starts_by_name_counts(tmp_path, spawns):
    files(tmp_path, stages__a=f"{spawns}\n", lib__one="import lib.two\n", lib__two="x = 1\n")
    assert names(tmp_path) == ["lib/one.py", "lib/two.py", "stages/a.py"]


def test_circles_end(tmp_path):
    files(tmp_path, stages__a="import lib.one\n", lib__one="import lib.two\n", lib__two="import lib.one\n")
    assert names(tmp_path) == ["lib/one.py", "lib/two.py", "stages/a.py"]


def test_a_name_in_a_module_is_not_taken_for_a_file(tmp_path):
    files(tmp_path, stages__a="from lib.one import thing\n", lib__one="thing = 1\n", thing="z = 1\n")
    assert names(tmp_path) == ["lib/one.py", "stages/a.py"]


def test_an_absolute_entry_is_the_same_entry(tmp_path):
    files(tmp_path, stages__a="x = 1\n")
    assert closure(tmp_path / "stages/a.py", tmp_path) == [Path("stages/a.py")]
