"""Archives are read in place, and refused when they look like an attack."""

import stat
import zipfile

import pytest

from antimatter.collect import archives
from antimatter.collect.archives import matching_members, read_members
from antimatter.collect.errors import DamagedArchive
from antimatter.collect.pieces import Piece


def archive(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members:
            opened.writestr(name, content)
    return path


def test_members_come_sorted_and_by_pattern(tmp_path):
    path = archive(tmp_path / "a.zip", [("d/b.txt", "2"), ("d/a.txt", "1"), ("d/x.json", "{}"), ("c.txt", "3")])
    names = [piece.name for piece in matching_members(path, ["d/*.txt"])]
    assert list(read_members(path, names)) == [("d/a.txt", b"1"), ("d/b.txt", b"2")]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "d/../../x", "\\windows", "C:/x", "d\\..\\x"])
def test_a_name_that_leaves_the_archive_is_refused(tmp_path, name):
    path = archive(tmp_path / "a.zip", [("a.txt", "1"), (name, "2")])
    with pytest.raises(DamagedArchive, match="points out of the archive"):
        matching_members(path, ["a.txt"])


def test_a_link_is_refused(tmp_path):
    link = zipfile.ZipInfo("a.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(DamagedArchive, match="is a link"):
        matching_members(archive(tmp_path / "a.zip", [(link, "/etc/passwd")]), ["*.txt"])


def test_two_members_of_one_name_are_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = archive(tmp_path / "a.zip", [("a.txt", "1"), ("a.txt", "2")])
    with pytest.raises(DamagedArchive, match=r"2 members named a\.txt"):
        matching_members(path, ["*.txt"])


def test_a_pattern_that_matches_nothing_is_an_error(tmp_path):
    with pytest.raises(DamagedArchive, match=r"no member matches \*\.html"):
        matching_members(archive(tmp_path / "a.zip", [("a.txt", "1")]), ["*.txt", "*.html"])


def test_a_bomb_is_passed_over_by_what_it_says_and_refused_by_what_it_holds(tmp_path, monkeypatch):
    path = archive(tmp_path / "a.zip", [("a.txt", b"0" * 5000)])
    monkeypatch.setattr(archives, "LARGEST_MEMBER_BYTES", 4000)
    assert matching_members(path, ["*.txt"]) == [Piece("a.txt", 0, 5000, weight=0)]
    with pytest.raises(DamagedArchive, match=r"a\.txt is larger than 4,000 bytes"):
        list(read_members(path, ["a.txt"]))


def test_too_much_in_all_is_refused(tmp_path, monkeypatch):
    path = archive(tmp_path / "a.zip", [("a.txt", b"0" * 500), ("b.txt", b"0" * 501)])
    monkeypatch.setattr(archives, "LARGEST_TOTAL_BYTES", 1000)
    with pytest.raises(DamagedArchive, match="1,001 bytes, more than 1,000"):
        matching_members(path, ["*.txt"])


def test_no_zip_file_is_an_error_that_names_it(tmp_path):
    (tmp_path / "a.whl").write_bytes(b"not a zip")
    with pytest.raises(DamagedArchive, match=r"a\.whl is no readable zip file"):
        matching_members(tmp_path / "a.whl", ["*"])


def test_a_flipped_byte_is_an_error_that_names_archive_and_member(tmp_path):
    path = tmp_path / "a.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as opened:
        opened.writestr("a.txt", "Fellow citizens")
    path.write_bytes(path.read_bytes().replace(b"Fellow", b"Fallow"))
    with pytest.raises(DamagedArchive, match=r"a\.whl: member a\.txt cannot be read"):
        list(read_members(path, ["a.txt"]))
