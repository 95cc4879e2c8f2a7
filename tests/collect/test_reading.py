"""From files to documents: every format, compression and container gives the same documents; bad input is told."""

import gzip
import json
import random
from collections import Counter

import pytest

from antimatter.collect import drafts, reading
from antimatter.collect.cutting import cut
from antimatter.collect.drafts import DAMAGE, FIELD, HOSTILE, Broken, Draft, IndexPage, Oversized, Unread
from antimatter.collect.reading import Identity, identify, read_pieces
from antimatter.params.collect import Source
from tests.collect.corpora import COMPRESSIONS, FORMATS, TEXTS, tarred, zipped


def source(**fields):
    return Source(**{"name": "s", "kind": "files", "path": "input", "separator": "<|end|>", **fields})


def read(root, names, part_bytes=1_000_000, ignored=None, **fields):
    ignored = Counter() if ignored is None else ignored
    pieces = [piece for name in names for piece in cut(root, name, source(**fields), part_bytes, ignored)]
    return list(read_pieces(root, pieces, source(**fields), ignored))


def write(root, name, data):
    (root / name).write_bytes(data)
    return [name]


CASES = [(name, suffix) for name in FORMATS for suffix in COMPRESSIONS]


@pytest.mark.parametrize(("name", "suffix"), CASES)
def test_every_format_in_every_compression_gives_every_document_exactly(tmp_path, name, suffix):
    names = write(tmp_path, name + suffix, COMPRESSIONS[suffix](FORMATS[name](TEXTS)))
    for part_bytes in (100, 1_000_000):
        items = read(tmp_path, names, part_bytes)
        assert [item.text for item in items] == TEXTS
        assert len({item.origin for item in items}) == len(TEXTS)
        assert all(item.origin.startswith(name + suffix + ":") for item in items)


@pytest.mark.parametrize("archive", ["x.zip", "x.tar", "x.tar.gz", "x.tgz", "x.tar.zst", "x.tar.bz2", "x.tar.xz"])
def test_every_format_is_read_inside_every_archive(tmp_path, archive):
    members = {f"d/{name}": make(TEXTS) for name, make in FORMATS.items() if name != "a.arrow"}
    members |= {"d/c.jsonl.gz": gzip.compress(FORMATS["a.jsonl"](TEXTS)), "d/notes.pdf": b"%PDF", "e.md": b"# One"}
    data = zipped(members) if archive.endswith("zip") else tarred(members)
    pack = COMPRESSIONS[{".tgz": ".gz"}.get(archive[1:], archive[5:])] if "t" in archive[2:] else COMPRESSIONS[""]
    ignored = Counter()
    items = read(tmp_path, write(tmp_path, archive, pack(data)), ignored=ignored)
    assert ignored == {".pdf": 1}
    assert all(isinstance(item, Draft) for item in items), items
    assert len(items) == 25 * len(FORMATS) + 1  # all but one format, one of them twice, and a page
    assert {item.text for item in items} == {*TEXTS, "# One"}
    assert all(item.origin.startswith(f"{archive}/") for item in items)


def test_one_text_or_page_is_one_document(tmp_path):
    page = "<html><head><title>T</title></head><body><main><p>The content of the page.</p></main></body></html>"
    names = [
        *write(tmp_path, "a.txt", b"one"), *write(tmp_path, "b.MD", b"two"), *write(tmp_path, "c.html", page.encode())
    ]  # fmt: skip
    items = read(tmp_path, names, separator="")
    assert [(item.origin, item.text) for item in items] == [
        ("a.txt", "one"),
        ("b.MD", "two"),
        ("c.html", "The content of the page."),
    ]


def test_the_name_says_the_format_unless_the_source_does():
    assert identify("a/crawl.jsonl.gz", source()) == Identity("", "jsonl", "gz")
    assert identify("a.tar.gz", source()) == Identity("tar", "auto", "")
    assert identify("notes.pdf", source()) is None
    assert identify("README", source()) is None
    assert identify("README", source(format="text")) == Identity("", "text", "")
    assert identify("dump.data.zst", source(format="jsonl")) == Identity("", "jsonl", "zst")


def test_files_that_nobody_can_read_are_counted_by_suffix(tmp_path):
    names = [name for name in ("a.pdf", "b.pdf", "Makefile", "c.txt") if write(tmp_path, name, b"x")]
    ignored = Counter()
    assert len(read(tmp_path, names, ignored=ignored)) == 1
    assert ignored == {".pdf": 2, "no suffix": 1}


def test_index_pages_are_passed_over_by_name(tmp_path):
    names = [name for name in ("a.html", "genindex.html") if write(tmp_path, name, b"<p>Some text here.</p>")]
    assert read(tmp_path, names, index_pages=("genindex*",), separator="")[1:] == [IndexPage("genindex.html")]


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
@pytest.mark.parametrize("name", ["a.txt", "a.html", "a.parquet"])
def test_half_of_a_compressed_document_is_no_document(tmp_path, name, suffix):
    """What was decompressed before the damage comes out of read() first: it must not pass for the whole."""
    page = random.Random(1).randbytes(300_000).hex().encode()
    data = COMPRESSIONS[suffix](FORMATS[name](TEXTS) if name == "a.parquet" else page)
    (unread,) = read(tmp_path, write(tmp_path, name + suffix, data[:-9]), separator="")
    assert (type(unread), unread.cause) == (Unread, DAMAGE)


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.95])
@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.warc", "b.arrow", "a.txt"])
def test_a_truncated_compressed_file_gives_what_comes_before_and_is_told(tmp_path, name, suffix, keep):
    texts = [text * 200 for text in TEXTS]
    data = COMPRESSIONS[suffix](FORMATS[name](texts))
    items = read(tmp_path, write(tmp_path, name + suffix, data[: int(keep * len(data))]))
    documents = [item.text for item in items if isinstance(item, Draft)]
    whole = [text for text in documents if text in texts]
    assert whole == texts[: len(whole)] and len(documents) <= len(whole) + 1
    if len(whole) < len(texts):
        assert isinstance(items[-1], Unread)
        assert (items[-1].origin, items[-1].cause) == (name + suffix, DAMAGE)


@pytest.mark.parametrize("name", ["a.json", "a.parquet", "a.arrow", "b.arrow", "a.warc"])
def test_a_truncated_file_is_told(tmp_path, name):
    data = FORMATS[name](TEXTS)
    items = read(tmp_path, write(tmp_path, name, data[: len(data) // 2]))
    assert isinstance(items[-1], Unread) and items[-1].cause == DAMAGE
    assert str(tmp_path) not in items[-1].error


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.parquet", "a.arrow", "b.arrow"])
def test_a_missing_column_is_told_once_with_the_columns_that_are_there(tmp_path, name):
    (unread,) = read(tmp_path, write(tmp_path, name, FORMATS[name](TEXTS)), text_field="body")
    assert isinstance(unread, Unread)
    assert unread.cause == FIELD and "text" in unread.error


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("a.parquet", "a.arrow")])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_an_empty_file_is_no_document_or_told(tmp_path, name, suffix):
    items = read(tmp_path, write(tmp_path, name + suffix, COMPRESSIONS[suffix](b"")))
    assert not [item for item in items if isinstance(item, Draft)]
    assert len(items) <= 1


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_an_empty_file_of_a_format_with_a_footer_is_damaged(tmp_path, name):
    (unread,) = read(tmp_path, write(tmp_path, name, b""))
    assert isinstance(unread, Unread) and unread.cause == DAMAGE


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.json", "a.txt"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_one_record_of_two_hundred_megabytes_is_told_and_its_neighbours_are_read(tmp_path, name, suffix, monkeypatch):
    monkeypatch.setattr(drafts, "LARGEST_DOCUMENT_BYTES", 640_000)  # a hundredth of all sizes
    data = COMPRESSIONS[suffix](FORMATS[name](["first", "x" * 2_000_000, "last"]))
    monkeypatch.setattr("antimatter.collect.compression.LARGEST_EXPANSION", 10**9)
    first, large, last = read(tmp_path, write(tmp_path, name + suffix, data))
    assert (first.text, last.text) == ("first", "last")
    assert isinstance(large, Oversized) and 2_000_000 <= large.size < 2_000_100 and large.limit == 640_000


def test_a_whole_text_of_absurd_size_is_not_even_read(tmp_path, monkeypatch):
    monkeypatch.setattr(drafts, "LARGEST_DOCUMENT_BYTES", 100)
    names = [
        *write(tmp_path, "a.txt", b"x" * 101),
        *write(tmp_path, "b.html", b"x" * 102),
        *write(tmp_path, "c.txt", b"x"),
    ]
    assert read(tmp_path, names, separator="") == [
        Oversized("a.txt", 101, 100),
        Oversized("b.html", 102, 100),
        Draft("c.txt", "x"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        b'{"text": "caf\xe9"}',
        b'{"text": 1}',
        b'{"content": "x"}',
        b"[" * 100_000,
        b"{",
        b'{"text": "a\0b"}',
        b"\0" * 10,
    ],
    ids=lambda line: repr(line[:20]),
)
def test_a_bad_line_costs_itself_alone(tmp_path, line):
    good = b'{"text": "good"}\n'
    items = read(tmp_path, write(tmp_path, "a.jsonl", good * 3 + line + b"\n" + good))
    assert [type(item) for item in items] == [Draft, Draft, Draft, Broken, Draft]
    assert items[3].data == line + b"\n"


def test_latin1_csv_and_utf16_jsonl_arrive_as_text(tmp_path):
    german = ["Die Größe der Straße", "süße Äpfel für Käthe", "Übung macht den Meister"]
    rows = "id;text\r\n" + "".join(f"{i};{text}\r\n" for i, text in enumerate(german))
    lines = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in german)
    names = [*write(tmp_path, "a.csv", rows.encode("latin-1")), *write(tmp_path, "b.jsonl", lines.encode("utf-16"))]
    items = read(tmp_path, names, part_bytes=50)
    assert [item.text for item in items] == german * 2
    assert [item.origin for item in items][3:] == ["b.jsonl:0", "b.jsonl:1", "b.jsonl:2"]


def test_a_hostile_archive_is_refused_whole_and_its_neighbours_are_read(tmp_path):
    names = [
        *write(tmp_path, "a.zip", zipped({"good.txt": b"x", "../evil.txt": b"y"})),
        *write(tmp_path, "b.tar", tarred({"good.txt": b"x", "/evil.txt": b"y"})),
        *write(tmp_path, "c.zip", b"PK not a zip"),
        *write(tmp_path, "d.txt", b"good"),
    ]
    first, second, third, good = read(tmp_path, names)
    assert [item.origin for item in (first, second, third)] == ["a.zip", "b.tar", "c.zip"]
    assert {item.cause for item in (first, second, third)} <= {HOSTILE, DAMAGE}
    assert good == Draft("d.txt:0", "good")


def test_an_archive_inside_an_archive_is_told_and_not_opened(tmp_path):
    inner = zipped({"a.txt": b"x"})
    for name, data in (
        ("a.zip", zipped({"i.zip": inner, "b.txt": b"y"})),
        ("a.tar", tarred({"i.zip": inner, "b.txt": b"y"})),
    ):
        items = sorted(read(tmp_path, write(tmp_path, name, data)), key=lambda item: item.origin)
        assert [(type(item), item.origin) for item in items] == [(Draft, f"{name}/b.txt:0"), (Unread, f"{name}/i.zip")]
        assert items[1].cause == HOSTILE


def test_parquet_inside_an_archive_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_LARGEST_IN_MEMORY", 100)
    (unread,) = read(tmp_path, write(tmp_path, "a.zip", zipped({"a.parquet": FORMATS["a.parquet"](TEXTS)})))
    assert "must lie unpacked on disk" in unread.error


@pytest.mark.parametrize("part_bytes", [8, 10**6])
def test_the_csv_of_a_spreadsheet_with_its_byte_order_mark_is_read(tmp_path, part_bytes):
    names = write(tmp_path, "a.csv", b"\xef\xbb\xbftext,url\r\nhello,1\r\nworld,2\r\n")
    assert [(item.text, item.metadata) for item in read(tmp_path, names, part_bytes)] == [
        ("hello", {"url": "1"}),
        ("world", {"url": "2"}),
    ]


def test_a_translated_file_names_its_encoding(tmp_path):
    german = "Die Gr\u00f6\u00dfe der Stra\u00dfe und s\u00fc\u00dfe \u00c4pfel"
    (item,) = read(tmp_path, write(tmp_path, "a.csv", f"text\n{german}\n".encode("cp1252")))
    assert (item.text, item.metadata) == (german, {"encoding": "windows-1252"})


def test_a_file_without_its_column_weighs_what_it_holds(tmp_path):
    data = b"body\n" + b"x\n" * 500
    (unread,) = read(tmp_path, write(tmp_path, "a.csv", data))
    assert unread.size == len(data)


def test_an_arrow_file_with_wild_offsets_is_told_and_does_not_end_the_process(tmp_path):
    data = bytearray(FORMATS["a.arrow"](["one", "two", "three"]))
    offsets = data.index((3).to_bytes(4, "little") + (6).to_bytes(4, "little"))
    data[offsets : offsets + 4] = (2**31 - 1).to_bytes(4, "little")
    (unread,) = read(tmp_path, write(tmp_path, "a.arrow", bytes(data)))
    assert unread.cause == DAMAGE


def test_messages_hold_no_path_of_this_machine(tmp_path):
    for name, data in (("a.zip", b"PK"), ("b.zip", zipped({"../x": b""})), ("c.tar", tarred({"/x": b""}))):
        (unread,) = read(tmp_path, write(tmp_path, name, data))
        assert str(tmp_path) not in unread.error and name in unread.error


def test_members_of_a_tar_are_named_without_their_leading_dot(tmp_path):
    names = write(tmp_path, "a.tar", tarred({"./d/x.txt": b"one", "./e/y.txt": b"two"}))
    (item,) = read(tmp_path, names, members=("d/*",))
    assert item.text == "one"
