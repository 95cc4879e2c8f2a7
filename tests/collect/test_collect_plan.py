"""Parts, budgets and the settings of a source."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.collect.judge import Budget
from antimatter.collect.pieces import Piece, pack, shares
from antimatter.params.collect import Collect, Source
from antimatter.params.loader import ParameterError, load

SIZES = st.lists(st.integers(0, 1000), min_size=1)


@given(sizes=SIZES, part_bytes=st.integers(1, 2000))
def test_packing_keeps_every_piece_in_order_and_no_part_is_too_large(sizes, part_bytes):
    pieces = [Piece(str(index), 0, size) for index, size in enumerate(sizes)]
    parts = list(pack(pieces, part_bytes))
    assert [piece for part in parts for piece in part] == pieces
    assert all(len(part) == 1 or sum(piece.size for piece in part) <= part_bytes for part in parts)


@given(total=st.integers(0, 10_000), sizes=SIZES)
def test_shares_add_up(total, sizes):
    parts = shares(total, sizes)
    assert all(part >= 0 for part in parts)
    assert sum(parts) == total or not sum(sizes)


def test_a_budget_closes_at_the_first_document_that_does_not_fit():
    budget = Budget(documents=None, text_bytes=10)
    assert [budget.take(size) for size in (4, 13, 1)] == [True, False, False]
    budget = Budget(documents=2, text_bytes=None)
    assert [budget.take(1) for _ in range(3)] == [True, True, False]


def test_a_document_fits_if_more_than_half_of_it_does():
    assert [Budget(None, 10).take(size) for size in (10, 19, 20)] == [True, True, False]
    budget = Budget(documents=None, text_bytes=10)
    assert [budget.take(size) for size in (4, 11, 1)] == [True, True, False]


def package(**changes):
    fields = {"package": "a==1", "file": "a-1-py3-none-any.whl", "sha256": "0" * 64, "members": ("*.txt",)}
    return Source(**{"name": "a", "kind": "package", **fields, **changes})


def problems(settings):
    return "\n".join(settings.problems())


def test_a_good_source_has_no_problems():
    assert problems(package()) == ""
    assert problems(Source(name="mine", kind="files", path="input/mine")) == ""


def hub(**changes):
    fields = {"dataset": "allenai/c4", "revision": "0" * 40, "members": ("en/*.json.gz",)}
    return Source(**{"name": "a", "kind": "hub", **fields, **changes})


def test_a_source_needs_the_fields_of_its_kind_and_no_others():
    assert "sha256 is missing" in problems(package(sha256=""))
    assert "path does not belong" in problems(package(path="input"))
    assert "path is missing" in problems(Source(name="mine", kind="files"))
    assert "package does not belong" in problems(Source(name="mine", kind="files", path="input", package="a==1"))
    assert "dataset does not belong" in problems(package(dataset="a/b"))
    assert problems(hub()) == ""
    assert "revision is missing" in problems(hub(revision=""))
    assert "held_out_share belongs to format chitchat" in problems(package(held_out_share=0.1))
    assert "separator belongs to format text" in problems(package(format="csv", separator="x"))


def test_a_revision_is_a_commit_and_no_branch():
    with pytest.raises(ParameterError, match=r"revision.*must match"):
        build("{name: a, kind: hub, dataset: a/b, members: [x], revision: main}")


def build(source):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "params.yaml"
        path.write_text(f"collect:\n  sources:\n    - {source}\n")
        return load(Collect, path)


def test_only_wheels_and_npm_tarballs_are_fetched_because_others_would_run_code():
    for file in ("a-1.tar.gz", "a-1.zip", "a-1.egg"):
        assert "a client may run the code of a source distribution" in problems(package(file=file))
    assert problems(package(package="@scope/a@1.0.0", file="scope-a-1.0.0.tgz")) == ""
    assert "must be written name==version" in problems(package(package="a@1.0.0"))
    assert "must be written name@version" in problems(package(file="a-1.tgz"))


def test_files_outside_of_input_need_a_version_because_dvc_does_not_watch_them():
    for path in ("/data", "data/raw", "input/../..", ".", "/data/**/*.jsonl"):
        assert "where DVC would see a change" in problems(Source(name="mine", kind="files", path=path))
        assert problems(Source(name="mine", kind="files", path=path, version="2026-11")) == ""
    assert problems(Source(name="mine", kind="files", path="input/web/*.jsonl.gz")) == ""


def test_an_encoding_is_one_that_python_knows():
    assert problems(package(encoding="latin-1")) == ""
    for name in ("latin-99", "base64"):
        assert f"encoding {name} is not known" in problems(package(encoding=name))


def test_weights_share_the_target_and_nothing_else():
    mix = Collect(
        target_bytes=1000, sources=(package(name="a", weight=3), package(name="b", weight=1), package(name="c"))
    )
    assert problems(mix) == ""
    assert [mix.budget(source) for source in mix.sources] == [750, 250, 0]
    assert "keep one of them" in problems(package(weight=1, max_bytes=5))
    assert "the weights of a mean nothing" in problems(Collect(sources=(package(weight=1),)))
    assert "no source has a weight" in problems(Collect(target_bytes=5, sources=(package(),)))


def test_a_name_belongs_to_one_source_and_not_to_us():
    assert "2 are named a" in problems(Collect(sources=(package(), package())))
    assert "name total is reserved" in problems(package(name="total"))
