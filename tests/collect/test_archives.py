"""Archives are read in place, and refused when they look like an attack."""

import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile

import pyarrow as pa
import pytest

from antimatter.collect import archives
from antimatter.collect.archives import (
    Member,
    is_nested,
    kind_of,
    matching_members,
    read_members,
    read_tar,
    read_zip,
    zip_members,
)
from antimatter.collect.errors import DamagedArchive, DamagedStream
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


def contents(read):
    return [(name, size, stream.read()) for name, size, stream in read]


def test_a_zip_is_listed_by_name_and_read_as_streams(tmp_path):
    path = archive(tmp_path / "a.zip", [("d/b.txt", "two\nlines"), ("a.txt", "1"), ("d/", "")])
    assert zip_members(path) == [Member("a.txt", 1), Member("d/b.txt", 9)]
    assert contents(read_zip(path, ["d/b.txt", "a.txt"])) == [("d/b.txt", 9, b"two\nlines"), ("a.txt", 1, b"1")]


def test_an_encrypted_member_is_refused(tmp_path):
    path = archive(tmp_path / "a.zip", [("a.txt", "1")])
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(DamagedArchive, match=r"a\.txt is encrypted"):
        zip_members(path)


def test_a_fifo_is_refused(tmp_path):
    fifo = zipfile.ZipInfo("a.txt")
    fifo.external_attr = (stat.S_IFIFO | 0o777) << 16
    with pytest.raises(DamagedArchive, match="is a special file"):
        zip_members(archive(tmp_path / "a.zip", [(fifo, "")]))


def test_nul_in_a_name_is_refused(tmp_path):
    path = archive(tmp_path / "a.zip", [("a.txtX.exe", "1")])
    path.write_bytes(path.read_bytes().replace(b"a.txtX", b"a.txt\0"))
    with pytest.raises(DamagedArchive, match="NUL in its name"):
        zip_members(path)


def test_names_without_the_flag_are_read_as_utf8_if_they_are_and_stay_printable(tmp_path):
    path = archive(tmp_path / "a.zip", [("kXXche.txt", "1"), ("jYche.txt", "2"), ("kZche.txt", "3")])
    path.write_bytes(path.read_bytes().replace(b"XX", "ü".encode()).replace(b"Y", b"\x81").replace(b"Z", b"\n"))
    names = [name for name, _ in zip_members(path)]
    assert names == ["jüche.txt", "k\\nche.txt", "küche.txt"]  # 0x81 is ü in code page 437
    assert contents(read_zip(path, names[:1])) == [("jüche.txt", 1, b"2")]


def test_a_name_that_says_utf8_and_is_not_is_an_error(tmp_path):
    path = archive(tmp_path / "a.zip", [("kü.txt", "1")])
    path.write_bytes(path.read_bytes().replace("ü".encode(), b"\xff\xff"))
    with pytest.raises(DamagedArchive, match="no readable zip file"):
        zip_members(path)


def with_zip64_end(path, members, size):
    """The archive, with a zip64 end record that claims so many members and so large a directory."""
    data = path.read_bytes()
    end = data.rindex(b"PK\5\6")
    (start,) = struct.unpack_from("<I", data, end + 16)
    wide = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, members, members, size, start)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    path.write_bytes(data[:end] + wide + locator + data[end : end + 8] + b"\xff" * 12 + data[end + 20 :])
    return path


@pytest.mark.parametrize(("members", "size"), [(2**40, 51), (1, 2**46), (2**40, 2**63)])
def test_a_directory_that_claims_too_much_is_refused_before_it_is_read(tmp_path, members, size):
    path = with_zip64_end(archive(tmp_path / "a.zip", [("a.txt", "1")]), members, size)
    with pytest.raises(DamagedArchive, match=r"it says that it|Bad offset"):
        zip_members(path)


def test_more_members_than_the_end_record_says_are_counted(tmp_path, monkeypatch):
    path = archive(tmp_path / "a.zip", [(f"{number}.txt", "") for number in range(50)])
    data = path.read_bytes()
    path.write_bytes(data[:-12].replace(struct.pack("<HH", 50, 50), struct.pack("<HH", 1, 1)) + data[-12:])
    assert len(zip_members(path)) == 50
    monkeypatch.setattr(archives, "MOST_MEMBERS", 49)
    with pytest.raises(DamagedArchive, match="50 members, more than 49"):
        zip_members(path)


def test_members_that_share_their_bytes_are_a_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "HARMLESS_BYTES", 1_000_000)
    path = archive(tmp_path / "a.zip", [("a.txt", bytes(range(200)) * 500)])
    data = path.read_bytes()
    start, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    entries = [data[start:end].replace(b"a.txt", f"{number:05}".encode()) for number in range(3000)]
    directory = b"".join(entries)
    last = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 3000, 3000, len(directory), start, 0)
    path.write_bytes(data[:start] + directory + last)
    with pytest.raises(DamagedArchive, match="its members together would grow from"):
        zip_members(path)


def test_a_member_that_would_grow_a_thousandfold_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "HARMLESS_BYTES", 1_000_000)
    with pytest.raises(DamagedArchive, match=r"member a\.txt would grow from [0-9,]+ to 2,000,000 bytes"):
        zip_members(archive(tmp_path / "a.zip", [("a.txt", bytes(2_000_000))]))


def test_a_corrupt_member_is_damage_of_that_member_alone(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as opened:
        opened.writestr("a.txt", "Fellow citizens")
        opened.writestr("b.txt", "whole")
    path.write_bytes(path.read_bytes().replace(b"Fellow", b"Fallow"))
    read = read_zip(path, ["a.txt", "b.txt"])
    with pytest.raises(DamagedStream, match="Bad CRC"):
        next(read)[2].read()
    assert next(read)[2].read() == b"whole"


def test_a_directory_that_points_nowhere_is_damage(tmp_path):
    path = archive(tmp_path / "a.zip", [("a.txt", "1")])
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\1\2") + 42, 5)
    path.write_bytes(data)
    ((_, _, stream),) = read_zip(path, ["a.txt"])
    with pytest.raises(DamagedStream):
        stream.read()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.zip", "zip"),
        ("a.WHL", "zip"),
        ("a.tar", "tar"),
        ("a.tgz", "tar"),
        ("a.tar.gz", "tar"),
        ("a.tar.zst", "tar"),
        ("a.tar.bz2", "tar"),
        ("a.tar.xz", "tar"),
        ("a.tbz2", "tar"),
        ("a.txz", "tar"),
        ("a.jsonl.gz", ""),
        ("a.txt", ""),
        ("tar", ""),
    ],
)
def test_the_name_says_what_kind_of_archive_it_is(name, kind):
    assert kind_of(name) == kind
    assert is_nested(f"inner/{name}") == bool(kind)


def member(name, content=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def tar(path, members, layout=tarfile.PAX_FORMAT, compress=lambda data: data):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=layout) as opened:
        for info, content in members:
            opened.addfile(info, io.BytesIO(content))
    path.write_bytes(compress(buffer.getvalue()))
    return path


FILES = [member("b.txt", b"two"), member("d", type=tarfile.DIRTYPE), member("d/a.txt", b"x" * 1000), member("empty")]
READ = [("b.txt", 3, b"two"), ("d/a.txt", 1000, b"x" * 1000), ("empty", 0, b"")]


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [
        (".tar", bytes),
        (".tar.gz", gzip.compress),
        (".tgz", gzip.compress),
        (".tar.xz", lzma.compress),
        (".txz", lzma.compress),
        (".tar.zst", lambda data: pa.Codec("zstd").compress(data).to_pybytes()),
    ],
)
def test_a_tar_archive_is_read_in_its_order(tmp_path, suffix, compress):
    assert contents(read_tar(tar(tmp_path / f"a{suffix}", FILES, compress=compress))) == READ


def test_members_that_are_not_read_are_passed_over(tmp_path):
    path = tar(tmp_path / "a.tar", FILES)
    assert [(name, size) for name, size, _ in read_tar(path)] == [(name, size) for name, size, _ in READ]
    assert [stream.read(2) for _, _, stream in read_tar(path)] == [b"tw", b"xx", b""]


@pytest.mark.parametrize("layout", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_and_names_in_other_alphabets_come_whole(tmp_path, layout):
    name = "ü" * 60 + "/" + "d/" * 80 + "é.txt"
    assert contents(read_tar(tar(tmp_path / "a.tar", [member(name, b"1")], layout))) == [(name, 1, b"1")]


def test_two_archives_one_after_the_other_are_one(tmp_path):
    first, second = tar(tmp_path / "a.tar", FILES), tar(tmp_path / "b.tar", [member("c.txt", b"3")])
    first.write_bytes(first.read_bytes() + second.read_bytes())
    assert contents(read_tar(first)) == [*READ, ("c.txt", 1, b"3")]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (member("l", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "l is a link"),
        (member("l", type=tarfile.LNKTYPE, linkname="b.txt"), "l is a link"),
        (member("f", type=tarfile.FIFOTYPE), "f is a special file"),
        (member("f", type=tarfile.CHRTYPE), "f is a special file"),
        (member("f", type=tarfile.BLKTYPE), "f is a special file"),
        (member("../f"), "points out of the archive"),
        (member("/etc/f"), "points out of the archive"),
        (member("C:/f"), "points out of the archive"),
        (member("d/../../f", type=tarfile.DIRTYPE), "points out of the archive"),
        (member("b.txt", b"2"), r"2 members named b\.txt"),
        (member("s", pax_headers={"GNU.sparse.major": "1"}), "s is a sparse file"),
        (member("s", type=tarfile.GNUTYPE_SPARSE), "s is a sparse file"),
        (member("n", pax_headers={"comment": "x" * 2_000_000}), "a name of 2,000,"),
    ],
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_tar_archive_with_something_dangerous_is_refused_before_its_first_member(tmp_path, bad, words, compress):
    path = tar(tmp_path / ("a.tar.gz" if compress is gzip.compress else "a.tar"), [*FILES, bad], compress=compress)
    with pytest.raises(DamagedArchive, match=words):
        next(read_tar(path))


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 2)
    with pytest.raises(DamagedArchive, match="more than 2 members"):
        next(read_tar(tar(tmp_path / "a.tar", FILES)))


def test_a_tar_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("antimatter.collect.compression.HARMLESS_BYTES", 1_000_000)
    path = tar(tmp_path / "a.tgz", [member("a.txt", bytes(5_000_000))], compress=gzip.compress)
    with pytest.raises(DamagedArchive, match="grows to more than 250 times"):
        next(read_tar(path))


def damaged(path):
    """(whole members, their names; how often damage was reported)"""
    whole, errors = [], []
    try:
        for name, _, stream in read_tar(path):
            try:
                whole.append((name, stream.read() + stream.read()))
            except DamagedStream as error:
                errors.append(f"{name} {error}")
    except DamagedStream as error:
        errors.append(str(error))
    return whole, errors


def test_of_a_cut_archive_the_whole_members_are_delivered_first(tmp_path):
    noise = [member(f"{number}.txt", bytes((number * byte) % 251 for byte in range(3000))) for number in range(20)]
    path = tar(tmp_path / "a.tar.gz", noise, compress=gzip.compress)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    whole, errors = damaged(path)
    assert whole == [(info.name, content) for info, content in noise[: len(whole)]]
    assert 3 < len(whole) < 17
    assert errors and all("ends in the middle (truncated" in error for error in errors)


@pytest.mark.parametrize("cut", [512 * 4, 512 * 3, 512 * 2 + 1, 1000])
def test_an_uncompressed_archive_that_is_cut_says_so_too(tmp_path, cut):
    path = tar(tmp_path / "a.tar", [member("b.txt", b"two"), member("a.txt", b"x" * 600)])
    path.write_bytes(path.read_bytes()[:cut])
    whole, errors = damaged(path)
    assert whole == ([("b.txt", b"two")] if cut >= 1000 else []) and errors


def test_a_pax_header_that_lies_about_the_size_costs_only_what_follows(tmp_path):
    for claim in ("999999999999", "9" * 5000, "-5", "0x10"):
        lie = member("lie.txt", b"12345", pax_headers={"size": claim})
        whole, _ = damaged(tar(tmp_path / "a.tar", [member("b.txt", b"two"), lie]))
        assert whole[0] == ("b.txt", b"two")


@pytest.mark.parametrize("record", [b"0 a=b\n", b"99 a=b\n", b"x a=b\n", b"6 ab\n", b"-6 a=b\n", b"1 a=b\n"])
def test_a_damaged_pax_record_is_damage(tmp_path, record):
    path = tar(tmp_path / "a.tar", [member("b.txt", b"two"), member("c.txt", pax_headers={"k": "v"})])
    data = path.read_bytes()
    path.write_bytes(data.replace(b"6 k=v\n", record[:6].ljust(6, b"=")))
    whole, errors = damaged(path)
    assert whole[0] == ("b.txt", b"two") and (errors or len(whole) == 2)


def test_a_damaged_header_in_the_middle_ends_the_reading(tmp_path):
    path = tar(tmp_path / "a.tar", FILES)
    data = bytearray(path.read_bytes())
    data[512 * 3 + 10] ^= 1
    path.write_bytes(data)
    assert damaged(path) == ([("b.txt", b"two")], ["has a damaged tar header before byte 2,048"])


@pytest.mark.parametrize("data", [b"", b"no tar", b"no tar" * 1000, gzip.compress(b"no tar" * 1000), b"\x1f\x8b"])
@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_what_is_no_tar_file_is_refused(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DamagedArchive, match=r"is no readable tar file"):
        next(read_tar(tmp_path / name))
