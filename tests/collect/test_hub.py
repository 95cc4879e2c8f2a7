"""Fetching from the hub runs the real session of huggingface_hub, against a hub on the loopback that misbehaves."""

import io
import os
import random
import re
import signal
import subprocess
import sys
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from antimatter.collect import hub, hub_requests
from antimatter.collect.errors import MissingSource, SourceError, WrongDigest
from antimatter.collect.hub import Dataset, RemoteFile, choose, fetch_files, folder, listing
from tests.collect.hub_server import DATASET, REVISION, Hub, serve

LARGE = random.Random(0).randbytes(300_000)
FILES = {
    "README.md": b"# A corpus\n",
    "en/part-000.json.gz": LARGE,
    "en/part-001.json.gz": LARGE[::-1],
    "en/sub/part-002.json.gz": LARGE[:1000],
    "fr/part-000.json.gz": LARGE[:2000],
}
ENGLISH = Dataset(DATASET, REVISION, ("en/*.json.gz",))
FIRST = "en/part-000.json.gz"
ONE = Dataset(DATASET, REVISION, (FIRST,))


@pytest.fixture
def server(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING")) or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    with serve(Hub(files=dict(FILES), small={"README.md"})) as started:
        monkeypatch.setenv("HF_ENDPOINT", started.address)
        yield started


@pytest.fixture
def waits(monkeypatch):
    """The waits that were asked for, none of them kept."""
    seconds = []
    monkeypatch.setattr(hub_requests, "wait_for", lambda asked, _: seconds.append(asked))
    return seconds


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "downloads"


def fetch_all(dataset, cache, **options):
    return fetch_files(dataset, listing(dataset, cache), cache, **options)


def contents(dataset, cache):
    return {file.path: (folder(dataset, cache) / file.path).read_bytes() for file in listing(dataset, cache)}


def unfinished(dataset, cache):
    base = folder(dataset, cache)
    partial = base.with_name(base.name + ".partial")
    return {str(path.relative_to(partial)): path.read_bytes() for path in partial.rglob("*") if path.is_file()}


# --- the listing


def test_the_listing_holds_what_matches_by_path_with_size_and_digest(server, cache):
    files = listing(ENGLISH, cache)
    assert [file.path for file in files] == ["en/part-000.json.gz", "en/part-001.json.gz", "en/sub/part-002.json.gz"]
    assert files[2].size == 1000 and re.fullmatch("[0-9a-f]{64}", files[2].sha256)
    (readme,) = listing(ENGLISH._replace(patterns=("README.md",)), cache)
    assert (readme.sha256, len(readme.git_sha1)) == ("", 40)


def test_all_pages_of_a_listing_are_read(server, cache):
    server.files = {f"en/{number:03d}.txt": b"text" for number in range(25)}
    server.page_entries = 10
    assert len(listing(ENGLISH._replace(patterns=("*.txt",)), cache)) == 25
    assert len(server.asked) == 3


def test_only_the_folders_that_the_patterns_name_are_listed(server, cache):
    listing(ENGLISH._replace(patterns=("en/part-*", "en/sub/*", "fr/*")), cache)
    assert [asked.path.partition("?")[0].rpartition("/")[2] for asked in server.asked] == ["en", "fr"]


def test_a_folder_in_a_folder_is_listed_alone(server, cache):
    (file,) = listing(ENGLISH._replace(patterns=("en/sub/part-*",)), cache)
    assert file.path == "en/sub/part-002.json.gz"
    assert "/en%2Fsub?" in server.asked[0].path


def test_a_pattern_that_matches_nothing_is_an_error_that_shows_what_there_is(server, cache):
    with pytest.raises(SourceError, match=r"no file matches en/\*\.parquet.*en/part-000\.json\.gz"):
        listing(ENGLISH._replace(patterns=("en/*.json.gz", "en/*.parquet")), cache)
    with pytest.raises(SourceError, match=r"no file matches de/\*"):
        listing(ENGLISH._replace(patterns=("de/*",)), cache)


def test_an_unknown_revision_is_named_and_no_reason_to_skip(server, cache, waits):
    with pytest.raises(SourceError, match="no revision ffff") as error:
        listing(ENGLISH._replace(revision="f" * 40), cache)
    assert not isinstance(error.value, MissingSource) and not waits


def test_an_unknown_dataset_is_named_and_no_reason_to_skip(server, cache, waits):
    with pytest.raises(SourceError, match=r"owner/corpsu.*HF_TOKEN") as error:
        listing(ENGLISH._replace(dataset="owner/corpsu"), cache)
    assert not isinstance(error.value, MissingSource) and not waits


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_dataset_says_where_to_accept_its_terms(server, cache, status):
    server.fail("/tree/", status, X_Error_Code="GatedRepo")
    with pytest.raises(SourceError, match=f"gated: accept its terms at {server.address}/datasets/{DATASET}"):
        listing(ENGLISH, cache)


def test_a_file_that_would_lie_outside_of_the_cache_is_refused(server, cache):
    server.files["en/../../../evil.json.gz"] = b"evil"
    with pytest.raises(SourceError, match="cannot be stored"):
        listing(ENGLISH, cache)


def test_an_answer_that_is_no_listing_is_asked_for_again(server, cache, waits):
    server.misbehave("/tree/", answer=lambda handler: handler.refuse(200, {"Content-Type": "text/html"}))
    assert len(listing(ENGLISH, cache)) == 3
    assert waits == [1]


def test_a_damaged_listing_in_the_cache_is_asked_for_again(server, cache):
    listing(ENGLISH, cache)
    (kept,) = cache.rglob("*.json")
    kept.write_text('{"files": [["en/par')
    assert len(listing(ENGLISH, cache)) == 3


# --- files


def test_files_are_fetched_in_the_order_given_and_lie_at_their_paths(server, cache, capsys):
    files = listing(ENGLISH, cache)
    paths = fetch_files(ENGLISH, files[::-1], cache)
    assert paths == [folder(ENGLISH, cache) / file.path for file in files[::-1]]
    assert contents(ENGLISH, cache) == {path: FILES[path] for path in FILES if path.startswith("en/")}
    assert {asked.headers["accept-encoding"] for asked in server.downloads()} == {"identity"}
    assert folder(ENGLISH, cache) == cache / "hub" / "owner--corpus" / REVISION
    assert not unfinished(ENGLISH, cache)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "fetching 3 files of owner/corpus (0.6 MB)"
    assert all(re.fullmatch(r"fetched en/\S+ of owner/corpus \(\d\.\d MB, [\d,.]+ MB/s\)", line) for line in lines[1:])
    assert len(lines) == 4


def test_a_second_run_needs_no_network(server, cache, monkeypatch, capsys):
    first = fetch_all(ENGLISH, cache)
    capsys.readouterr()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert fetch_all(ENGLISH, cache) == first
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert fetch_all(ENGLISH, cache) == first
    assert capsys.readouterr().err == ""


def test_small_files_are_verified_by_gits_digest(server, cache, waits):
    readme = ENGLISH._replace(patterns=("README.md",))
    server.misbehave("README", times=2, content=lambda content: content.upper())
    with pytest.raises(WrongDigest):
        fetch_all(readme, cache)
    fetch_all(readme, cache)
    assert contents(readme, cache) == {"README.md": FILES["README.md"]}


def test_after_a_cut_the_rest_is_asked_for_and_nothing_twice(server, cache, waits):
    server.misbehave(FIRST, cut_after=120_000)
    fetch_all(ONE, cache)
    first, second = server.downloads()
    assert first.start == 0
    assert second.headers["range"] == "bytes=120000-"
    assert contents(ONE, cache) == {FIRST: LARGE}
    assert waits == [1]


def test_many_cuts_are_survived_while_each_brings_something_new(server, cache, waits):
    server.misbehave(FIRST, times=20, cut_after=10_000)
    fetch_all(ONE, cache)
    assert [asked.start for asked in server.downloads()] == [10_000 * number for number in range(21)]
    assert contents(ONE, cache) == {FIRST: LARGE}
    assert waits == [1] * 20


def test_cuts_that_bring_nothing_end_in_a_missing_source_that_names_the_file(server, cache, waits):
    server.misbehave(FIRST, times=100, cut_after=0)
    with pytest.raises(MissingSource, match=FIRST) as error:
        fetch_all(ONE, cache)
    assert error.value.cause == hub_requests.UNREACHABLE
    assert server.address not in str(error.value)
    assert waits == [1, 2, 4, 8, 16]
    assert len(server.downloads()) == 6


def test_a_server_that_knows_no_ranges_is_read_from_the_beginning(server, cache, waits):
    server.misbehave(FIRST, cut_after=120_000)
    server.misbehave(FIRST, ranges=False)
    fetch_all(ONE, cache)
    assert contents(ONE, cache) == {FIRST: LARGE}
    assert len(server.downloads()) == 2


def test_a_page_that_is_not_the_file_costs_nothing_of_what_has_come(server, cache, waits):
    server.misbehave(FIRST, cut_after=120_000)
    server.misbehave(FIRST, ranges=False, content=lambda _: b"<html>Please log in</html>")
    fetch_all(ONE, cache)
    assert [asked.start for asked in server.downloads()] == [0, 120_000, 120_000]
    assert contents(ONE, cache) == {FIRST: LARGE}


def test_a_stalled_server_is_given_up_and_asked_again(server, cache, waits, monkeypatch, capsys):
    monkeypatch.setattr(hub_requests, "_TIMEOUT_SECONDS", 0.1)
    server.misbehave(FIRST, stall_after=50_000)
    fetch_all(ONE, cache)
    assert [asked.start for asked in server.downloads()] == [0, 50_000]
    assert contents(ONE, cache) == {FIRST: LARGE}
    assert "ReadTimeout" in capsys.readouterr().err


def test_a_killed_download_goes_on_where_it_was(server, cache, waits):
    files = listing(ONE, cache)
    server.misbehave(FIRST, stall_after=200_000)
    code = (
        "import sys; from pathlib import Path; from antimatter.collect.hub import *\n"
        "fetch_files(Dataset(*sys.argv[1:3], ()), [RemoteFile(sys.argv[4], int(sys.argv[5]), sys.argv[6])], "
        "Path(sys.argv[3]))"
    )
    arguments = [DATASET, REVISION, str(cache), FIRST, str(files[0].size), files[0].sha256]
    with subprocess.Popen([sys.executable, "-c", code, *arguments], stderr=subprocess.DEVNULL) as process:
        assert server.stalled.wait(20)
        while sum(map(len, unfinished(ONE, cache).values())) < 100_000:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    assert not (folder(ONE, cache) / FIRST).exists()
    fetch_files(ONE, files, cache)
    assert 100_000 <= server.downloads()[-1].start <= 200_000
    assert contents(ONE, cache) == {FIRST: LARGE}


def test_a_partial_file_of_other_bytes_costs_a_second_download_and_no_more(server, cache, waits, capsys):
    files = listing(ONE, cache)
    server.misbehave(FIRST, times=6, cut_after=0)
    with pytest.raises(MissingSource):
        fetch_files(ONE, files, cache)
    (partial,) = (path for path in cache.rglob("*.json.gz"))
    for rotten in (b"rotten" * 1000, b"x" * len(LARGE), b"too long" * len(LARGE)):
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(rotten)
        (folder(ONE, cache) / FIRST).unlink(missing_ok=True)
        fetch_files(ONE, files, cache)
        assert contents(ONE, cache) == {FIRST: LARGE}
    assert "once more from the beginning" in capsys.readouterr().err


@pytest.mark.parametrize("status", [429, 408, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again_later(server, cache, waits, status):
    server.fail("/tree/", status, times=2)
    server.fail(FIRST, status, times=3)
    fetch_all(ONE, cache)
    assert contents(ONE, cache) == {FIRST: LARGE}
    assert waits == [1, 2, 1, 2, 4]


def test_the_wait_that_the_hub_asks_for_is_kept(server, cache, waits):
    server.fail("/tree/", 429, Retry_After="40")
    server.fail(FIRST, 429, RateLimit='"resolvers";r=0;t=270')
    server.fail(FIRST, 503, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT")
    fetch_all(ONE, cache)
    assert waits == [40, 270, 2]


def test_a_wait_of_hours_is_no_wait_but_a_missing_source(server, cache, waits):
    server.fail(FIRST, 429, Retry_After="86400")
    with pytest.raises(MissingSource, match="429") as error:
        fetch_all(ONE, cache)
    assert error.value.cause == "the hub answers 429"
    assert waits == []


def test_errors_of_the_server_end_in_a_missing_source(server, cache, waits):
    server.fail("/tree/", 503, times=100)
    with pytest.raises(MissingSource, match="asked 6 times") as error:
        listing(ONE, cache)
    assert error.value.cause == "the hub answers 503"


def test_no_network_is_a_missing_source_with_the_same_cause_everywhere(server, cache, waits, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(MissingSource) as error:
        listing(ONE, cache)
    assert error.value.cause == "the hub cannot be reached"


def test_offline_is_said_at_once(server, cache, waits, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(MissingSource, match="HF_HUB_OFFLINE") as error:
        listing(ONE, cache)
    assert error.value.cause == hub_requests.OFFLINE
    assert not server.asked and not waits


def test_another_content_than_the_listed_one_is_refused(server, cache, waits):
    server.misbehave(FIRST, times=2, content=lambda content: b"?" + content[1:])
    with pytest.raises(WrongDigest, match=FIRST):
        fetch_all(ONE, cache)
    assert not (folder(ONE, cache) / FIRST).exists()
    assert unfinished(ONE, cache) == {FIRST: b""}


def test_a_content_altered_once_on_the_way_is_fetched_again(server, cache, waits):
    server.misbehave(FIRST, content=lambda content: b"?" + content[1:])
    fetch_all(ONE, cache)
    assert contents(ONE, cache) == {FIRST: LARGE}


@pytest.mark.parametrize("announced", [1000, 400_000])
def test_another_length_than_the_listed_one_is_not_taken(server, cache, waits, announced):
    server.misbehave(FIRST, times=2, announced=announced)
    fetch_all(ONE, cache)
    assert contents(ONE, cache) == {FIRST: LARGE}
    server.misbehave(FIRST, times=6, announced=announced)
    with pytest.raises(MissingSource) as error:
        fetch_all(ONE, cache.parent / "elsewhere")
    assert error.value.cause == hub_requests.NO_ANSWER


def test_a_body_that_ends_before_its_announced_length_is_completed(server, cache, waits):
    server.misbehave(FIRST, content=lambda content: content[:1000], announced=len(LARGE))
    fetch_all(ONE, cache)
    assert contents(ONE, cache) == {FIRST: LARGE}
    assert [asked.start for asked in server.downloads()] == [0, 1000]


def test_a_body_of_unannounced_length_that_ends_too_early_is_completed(server, cache, waits):
    server.misbehave(FIRST, content=lambda content: content[:1000], announced=-1)
    server.misbehave(FIRST, announced=-1)
    fetch_all(ONE, cache)
    assert contents(ONE, cache) == {FIRST: LARGE}
    assert [asked.start for asked in server.downloads()] == [0, 1000]


def test_a_file_that_is_damaged_at_the_hub_itself_is_the_readers_affair(server, cache):
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": ["one", "two"]}), sink)
    server.files["data/a.parquet"] = sink.getvalue()[:-20]
    (path,) = fetch_all(ONE._replace(patterns=("data/*.parquet",)), cache)
    assert path.read_bytes() == sink.getvalue()[:-20]


def test_a_file_that_lost_bytes_since_is_fetched_again(server, cache):
    (path,) = fetch_all(ONE, cache)
    path.write_bytes(LARGE[:-1])
    fetch_all(ONE, cache)
    assert path.read_bytes() == LARGE
    assert len(server.downloads()) == 2


def test_a_file_that_was_edited_since_is_fetched_again(server, cache, capsys):
    (path,) = fetch_all(ONE, cache)
    path.write_bytes(b"?" + LARGE[1:])
    os.utime(path, ns=(1, 1))
    fetch_all(ONE, cache)
    assert path.read_bytes() == LARGE
    assert f"{FIRST}: what is there is not what the hub lists" in capsys.readouterr().err


def test_a_file_that_someone_put_there_is_taken_if_it_is_the_right_one(server, cache):
    path = folder(ONE, cache) / FIRST
    path.parent.mkdir(parents=True)
    path.write_bytes(LARGE)
    assert fetch_all(ONE, cache) == [path]
    assert not server.downloads()


def test_a_file_whose_content_was_verified_is_not_hashed_again(server, cache, monkeypatch):
    fetch_all(ONE, cache)
    monkeypatch.setattr(hub, "_digest", lambda *_: pytest.fail("hashed again"))
    fetch_all(ONE, cache)


def test_one_failure_ends_the_call_and_keeps_what_has_come(server, cache, waits):
    server.fail("part-001", 404, X_Error_Code="EntryNotFound")
    with pytest.raises(SourceError, match="part-001"):
        fetch_all(ENGLISH, cache, workers=1)
    fetch_all(ENGLISH, cache)
    assert [asked.path.rpartition("/")[2] for asked in server.downloads()].count("part-000.json.gz") == 1


def test_the_other_downloads_end_at_their_next_piece_and_keep_what_they_have(server, cache, tmp_path):
    (file,) = listing(ONE, cache)
    stop = threading.Event()
    stop.set()
    with open(tmp_path / "partial", "w+b") as out:
        out.write(LARGE[:1000])
        with pytest.raises(hub_requests.Stopped):
            hub._continue(ONE, file, out, stop)
        assert out.tell() == 1000
    with pytest.raises(hub_requests.Stopped):
        hub_requests.wait_for(1000, stop)


def test_two_runs_at_once_fetch_a_file_once(server, cache):
    files = listing(ONE, cache)
    started = threading.Barrier(2)

    def run():
        started.wait(10)
        fetch_files(ONE, files, cache)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert contents(ONE, cache) == {FIRST: LARGE}
    assert len(server.downloads()) == 1
    assert not unfinished(ONE, cache)


def test_a_disk_without_room_is_an_error_before_the_first_byte(server, cache, monkeypatch):
    files = listing(ONE, cache)
    huge = [files[0]._replace(size=10**18)]
    with pytest.raises(SourceError, match=r"1000000000\.0 GB are to be fetched"):
        fetch_files(ONE, huge, cache)
    assert not server.downloads()


def test_a_disk_that_fills_up_is_told_in_words(server, cache, monkeypatch):
    files = listing(ONE, cache)

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(SourceError, match=r"cannot be stored .*No space left"):
            fetch_files(ONE, files, cache)
    fetch_files(ONE, files, cache)
    assert len(server.downloads()) == 1


def test_a_mirror_with_a_shorter_file_is_a_missing_source(server, cache, waits):
    server.misbehave(FIRST, cut_after=5000)
    server.fail(FIRST, 416, times=6)
    with pytest.raises(MissingSource, match="416"):
        fetch_all(ONE, cache)


def test_names_with_spaces_and_signs_are_fetched(server, cache):
    server.files = {"en/a b#c%20ü?.txt": b"text"}
    dataset = ONE._replace(patterns=("en/*",))
    fetch_all(dataset, cache)
    assert contents(dataset, cache) == server.files


# --- what is told to whom


def test_without_hf_token_no_token_is_sent_even_if_one_is_saved(server, cache, tmp_path):
    saved = tmp_path / "home/.cache/huggingface/token"
    saved.parent.mkdir(parents=True)
    saved.write_text("hf_saved")
    fetch_all(ENGLISH, cache)
    assert not [asked for asked in server.asked if "authorization" in asked.headers]


def test_the_token_goes_to_the_hub_and_to_no_other_host(server, cache, monkeypatch, capsys):
    monkeypatch.setenv("HF_TOKEN", " hf_secret\n")
    server.needed_token = "hf_secret"
    server.page_entries = 2
    with serve(Hub(files=dict(FILES))) as storage:
        server.storage = storage.address
        server.next_page_host = storage.address
        fetch_all(ENGLISH, cache)
        assert {asked.headers.get("authorization") for asked in server.asked} == {"Bearer hf_secret"}
        assert len(storage.downloads()) == 3 == len(storage.asked)
        assert not [asked for asked in storage.asked if "authorization" in asked.headers]
    assert contents(ENGLISH, cache)[FIRST] == LARGE
    assert "hf_secret" not in capsys.readouterr().err
    assert not [path for path in cache.rglob("*") if path.is_file() and b"hf_secret" in path.read_bytes()]


def test_a_range_survives_the_redirect_to_the_storage(server, cache, waits):
    with serve(Hub(files=dict(FILES))) as storage:
        server.storage = storage.address
        storage.misbehave(FIRST, cut_after=70_000)
        fetch_all(ONE, cache)
        assert [asked.start for asked in storage.downloads()] == [0, 70_000]
    assert contents(ONE, cache) == {FIRST: LARGE}


def test_a_storage_that_refuses_is_a_missing_source_and_no_question_of_tokens(server, cache, waits):
    with serve(Hub(files=dict(FILES))) as storage:
        server.storage = storage.address
        storage.fail(FIRST, 403, times=2)
        fetch_all(ONE, cache)
        assert waits == [1, 2]
        storage.fail(FIRST, 403, times=6)
        with pytest.raises(MissingSource, match="storage of the hub answers 403"):
            fetch_all(ONE, cache.parent / "elsewhere")


def test_a_wrong_token_is_an_error_that_does_not_show_it(server, cache, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wröng")
    with pytest.raises(SourceError, match="HF_TOKEN") as error:
        listing(ENGLISH, cache)
    assert "hf_w" not in str(error.value)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    server.fail("/tree/", 401)
    with pytest.raises(SourceError, match="with the token in HF_TOKEN") as error:
        listing(ENGLISH, cache)
    assert "hf_wrong" not in str(error.value)


@pytest.mark.parametrize("address", ["hf-mirror.example", "ftp://host", "https://[::1", "https://", "http://a b"])
def test_an_endpoint_that_is_no_address_is_an_error(server, cache, monkeypatch, address):
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(SourceError, match="HF_ENDPOINT"):
        listing(ENGLISH, cache)


def test_nothing_is_written_outside_of_the_cache_and_no_one_else_is_asked(server, cache, tmp_path):
    """In a process of its own: huggingface_hub reads its settings once, when it is imported."""
    code = (
        "import sys; from pathlib import Path; from antimatter.collect.hub import *\n"
        "assert 'huggingface_hub' not in sys.modules\n"
        "dataset = Dataset(sys.argv[1], sys.argv[2], ('en/*',))\n"
        "fetch_files(dataset, listing(dataset, Path(sys.argv[3])), Path(sys.argv[3]))"
    )
    subprocess.run([sys.executable, "-c", code, DATASET, REVISION, str(cache)], check=True, capture_output=True)
    assert contents(ENGLISH, cache)[FIRST] == LARGE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["downloads", "home"]
    assert not list((tmp_path / "home").iterdir())
    assert not [path for path in cache.rglob("*") if path.is_symlink()]
    assert all(asked.path.startswith(("/api/datasets/owner/", "/datasets/owner/")) for asked in server.asked)
    assert {asked.headers["user-agent"] for asked in server.asked} == {"antimatter"}


# --- a budget


def sizes(*numbers):
    return [RemoteFile(f"crawl-{index:02d}/part.parquet", size) for index, size in enumerate(numbers)]


def test_without_a_budget_all_files_are_chosen_and_none_is_measured():
    files = sizes(5, 6, 7)
    assert choose(files[::-1], 0, lambda _: pytest.fail("measured")) == files


def test_a_budget_takes_as_many_files_as_the_measured_share_of_text_needs():
    files = sizes(*[1000] * 100)
    measured = []
    chosen = choose(files, 50_000, lambda file: measured.append(file) or 2500)
    assert len(measured) == 1 and measured[0] in chosen
    assert len(chosen) == 22  # 50,000 and 10 % more, at 2,500 a file
    assert chosen == sorted(chosen)


def test_a_budget_takes_files_from_all_over_the_dataset():
    chosen = choose(sizes(*[1000] * 100), 20_000, lambda _: 1000)
    numbers = [int(file.path[6:8]) for file in chosen]
    assert len(numbers) == 22 and min(numbers) < 20 and max(numbers) > 80


def test_the_choice_depends_on_no_order_and_a_larger_budget_only_adds():
    files = sizes(*range(1000, 1100))
    small, large = (set(choose(files, wanted, lambda _: 3000)) for wanted in (9_000, 90_000))
    assert small < large
    assert set(choose(files[::-1], 90_000, lambda _: 3000)) == large


def test_a_budget_beyond_the_dataset_takes_all_of_it():
    files = sizes(10, 20, 30)
    assert choose(files, 10**12, lambda _: 20) == files


def test_what_is_measured_is_no_readme():
    files = [RemoteFile("README.md", 10), RemoteFile(".gitattributes", 5), *sizes(1000, 1000, 1000)]
    choose(files, 100, lambda file: 1 if file.size == 1000 else pytest.fail(file.path))


def test_a_measured_file_without_text_is_an_error():
    with pytest.raises(SourceError, match="text_field"):
        choose(sizes(1000, 1000), 100, lambda _: 0)


def test_no_files_need_no_measuring():
    assert choose([], 100, lambda _: pytest.fail("measured")) == []
