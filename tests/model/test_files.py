import os

import pytest

from antimatter.model import files


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_replaces_the_old_one_and_takes_the_leftovers_of_killed_writers_with_it(tmp_path):
    for name in ("a.txt", ".a.txt.4242.part", ".a.txt.77.part", ".b.txt.4242.part"):
        (tmp_path / name).write_text("before")
    files.write_text(tmp_path / "a.txt", "after")
    assert (tmp_path / "a.txt").read_text() == "after"
    assert names(tmp_path) == [".b.txt.4242.part", "a.txt"]  # b may have a writer of its own


def test_a_writer_that_dies_leaves_the_old_file_and_a_name_that_is_never_published(tmp_path):
    files.write_text(tmp_path / "a.txt", "before")

    def dying(temporary):
        temporary.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write_whole(tmp_path / "a.txt", dying)
    assert (tmp_path / "a.txt").read_text() == "before"
    assert names(tmp_path) == [f".a.txt.{os.getpid()}.part", "a.txt"]


def test_of_several_first_words_the_first_stay(tmp_path):
    files.write_first(tmp_path / "error.json", "one")
    files.write_first(tmp_path / "error.json", "two")
    assert (tmp_path / "error.json").read_text() == "one"
    assert names(tmp_path) == ["error.json"]
