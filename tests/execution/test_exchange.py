from collections import defaultdict
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antimatter.execution import workspace
from antimatter.execution.runner import read_partition, write_partitions

SCHEMA = pa.schema({"partition": pa.int32(), "key": pa.int64(), "word": pa.string()})


def table_of(part: list[tuple[int, str]], partitions: int = 3) -> pa.Table:
    rows = [{"partition": key % partitions, "key": key, "word": word} for key, word in part]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def group(partition: int, tables: list[pa.Table]) -> dict:
    """Words of each key in the order in which they arrive."""
    groups = defaultdict(list)
    for table in tables:
        for row in table.to_pylist():
            groups[str(row["key"])].append(row["word"])
    return {"groups": dict(groups), "partition": partition}


def exchange(folder: Path, parts: list, monkeypatch, workers: int = 1, function=table_of, merge=group) -> list[dict]:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DVC_ROOT", str(folder))
    monkeypatch.setenv("ANTIMATTER_WORKERS", str(workers))
    monkeypatch.setenv("ANTIMATTER_TRACKING", "off")
    results = []

    def build(work):
        results.extend(work.exchange(function, parts, 3, merge, title="some words"))
        assert not list(work.scratch.rglob("*.arrow"))

    workspace.run("exchange", {"parts": parts}, [], [Path("data/exchange")], build)
    return results


PARTS = st.lists(st.lists(st.tuples(st.integers(0, 5), st.text("abc", max_size=2)), max_size=6), max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(parts=PARTS)
def test_an_exchange_is_a_group_by_with_the_rows_in_the_order_of_the_parts(tmp_path, parts):
    expected = defaultdict(list)
    for part in parts:
        for key, word in part:
            expected[str(key)].append(word)
    paths = [tmp_path / f"part-{index:05d}.arrow" for index in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        table = table_of(part)
        write_partitions(path, pa.concat_tables([table.slice(0, 2), table.slice(2)]), 3)
    merged = [group(partition, read_partition(paths, partition)) for partition in range(3)]
    assert {key: words for result in merged for key, words in result["groups"].items()} == expected
    assert all(int(key) % 3 == result["partition"] for result in merged for key in result["groups"])


SOME_PARTS = [[(key, f"{part}{key}") for key in (5, 1, 3, 1, 0)] for part in range(5)]


def test_one_worker_and_two_give_the_same(tmp_path, monkeypatch):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = exchange(tmp_path / "one", SOME_PARTS, monkeypatch)
    assert one == exchange(tmp_path / "two", SOME_PARTS, monkeypatch, workers=2)
    assert one[1]["groups"]["1"] == ["01", "01", "11", "11", "21", "21", "31", "31", "41", "41"]


def test_many_equal_keys_keep_their_order(tmp_path):
    numbers = list(range(100_000))
    table = pa.table({"partition": pa.array([1] * len(numbers), pa.int32()), "number": numbers})
    write_partitions(tmp_path / "part.arrow", table, 2)
    (partition,) = read_partition([tmp_path / "part.arrow"], 1)
    assert partition.column("number").to_pylist() == numbers


def noted(part, folder):
    with open(folder / "spilled.txt", "a") as log:
        log.write(f"{part[0][1]}\n")
    return table_of(part)


def fail_once(partition, tables, folder):
    if partition == 1 and not (folder / "failed").exists():
        (folder / "failed").touch()
        raise RuntimeError("trouble")
    with open(folder / "merged.txt", "a") as log:
        log.write(f"{partition}\n")
    return group(partition, tables)


def test_an_exchange_resumes_without_spilling_or_merging_twice(tmp_path, monkeypatch):
    function, merge = partial(noted, folder=tmp_path), partial(fail_once, folder=tmp_path)
    with pytest.raises(RuntimeError, match="trouble"):
        exchange(tmp_path, SOME_PARTS, monkeypatch, function=function, merge=merge)
    results = exchange(tmp_path, SOME_PARTS, monkeypatch, function=function, merge=merge)
    assert results == [group(p, [table_of(part).filter(pa.compute.field("partition") == p) for part in SOME_PARTS])
                       for p in range(3)]  # fmt: skip
    assert (tmp_path / "spilled.txt").read_text().split() == ["05", "15", "25", "35", "45"]
    assert (tmp_path / "merged.txt").read_text().split() == ["0", "1", "2"]


def test_a_partition_number_out_of_range_is_refused(tmp_path):
    for wrong in (-1, 3):
        table = pa.table({"partition": pa.array([wrong], pa.int32())})
        with pytest.raises(ValueError, match=r"must lie in \[0, 3\)"):
            write_partitions(tmp_path / "part.arrow", table, 3)
    assert list(tmp_path.iterdir()) == []
