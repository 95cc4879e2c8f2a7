"""Which files of the user a source means."""

import os
from collections import Counter

import pytest

from antimatter.collect.errors import MissingSource
from antimatter.collect.files import find


def test_of_a_folder_all_files_but_hidden_ones_and_its_readme_in_sorted_order(tmp_path):
    for name in ("README.md", ".hidden.txt", "notes.pdf", "b.txt", "B.txt"):
        (tmp_path / name).write_text("x")
    for folder in ("sub", ".git"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "README.md").write_text("x")
    (tmp_path / "elsewhere").symlink_to("/tmp", target_is_directory=True)
    ignored = Counter()
    assert find(str(tmp_path), ignored) == (tmp_path, ["B.txt", "b.txt", "notes.pdf", "sub/README.md"])
    assert +ignored == {"linked folder": 1}


def test_a_glob_names_files_from_its_first_folder_without_wildcard(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("web/a/1.jsonl", "web/b/2.jsonl", "web/b/3.txt", "web/4.jsonl"):
        path = tmp_path / "input" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    root, names = find("input/web/*/*.jsonl", Counter())
    assert (root.as_posix(), names) == ("input/web", ["a/1.jsonl", "b/2.jsonl"])
    assert find("input/**/*.jsonl", Counter())[1] == ["web/4.jsonl", "web/a/1.jsonl", "web/b/2.jsonl"]
    root, names = find(str(tmp_path / "input/web/4.*"), Counter())
    assert (root, names) == (tmp_path / "input/web", ["4.jsonl"])


def test_one_file_is_a_source_too(tmp_path):
    (tmp_path / "a.jsonl").write_text("x")
    assert find(str(tmp_path / "a.jsonl"), Counter()) == (tmp_path, ["a.jsonl"])


@pytest.mark.parametrize("path", ["nothing", "nothing/*.txt"])
def test_what_is_not_there_is_missing(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingSource, match="nothing"):
        find(path, Counter())


def test_a_file_name_that_is_no_unicode_is_found(tmp_path):
    name = os.fsdecode(b"caf\xe9.txt")
    try:
        (tmp_path / name).write_text("x")
    except OSError:
        pytest.skip("this file system wants Unicode names")
    assert find(str(tmp_path), Counter())[1] == [name]


def test_a_glob_finds_a_file_once_and_does_not_follow_linked_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input/web").mkdir(parents=True)
    (tmp_path / "input/web/a.txt").write_text("x")
    (tmp_path / "input/loop").symlink_to(tmp_path / "input", target_is_directory=True)
    ignored = Counter()
    assert find("input/**/**/*.txt", ignored)[1] == ["web/a.txt"]
    assert ignored["behind a linked folder"] > 0


def test_a_name_with_brackets_that_exists_is_no_glob(tmp_path):
    (tmp_path / "data[2023].txt").write_text("x")
    assert find(str(tmp_path / "data[2023].txt"), Counter())[1] == ["data[2023].txt"]
