"""Parts, budgets and the settings of a source."""

from hypothesis import given
from hypothesis import strategies as st

from antimatter.collect.judge import Budget
from antimatter.collect.pieces import Piece, pack, shares
from antimatter.params.collect import Collect, Source

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
    assert [budget.take(size) for size in (4, 7, 1)] == [True, False, False]
    budget = Budget(documents=2, text_bytes=None)
    assert [budget.take(1) for _ in range(3)] == [True, True, False]


def package(**changes):
    fields = {"package": "a==1", "file": "a-1-py3-none-any.whl", "sha256": "0" * 64, "members": ("*.txt",)}
    return Source(**{"name": "a", "kind": "package", **fields, "parser": "plain_text", **changes})


def problems(settings):
    return "\n".join(settings.problems())


def test_a_good_source_has_no_problems():
    assert problems(package()) == ""
    assert problems(Source(name="mine", kind="files", path="input/mine")) == ""


def test_a_source_needs_the_fields_of_its_kind_and_no_others():
    assert "sha256 is missing" in problems(package(sha256=""))
    assert "path does not belong" in problems(package(path="input"))
    assert "path is missing" in problems(Source(name="mine", kind="files"))
    assert "parser does not belong" in problems(Source(name="mine", kind="files", path="input", parser="plain_text"))


def test_only_wheels_are_fetched_because_others_would_run_code():
    assert "is not a wheel" in problems(package(file="a-1.tar.gz"))


def test_files_outside_of_input_are_refused_because_dvc_does_not_watch_them():
    for path in ("/data", "data/raw", "input/../..", "."):
        assert "must be input or a folder below it" in problems(Source(name="mine", kind="files", path=path))


def test_a_name_belongs_to_one_source_and_not_to_us():
    assert "2 are named a" in problems(Collect(sources=(package(), package())))
    assert "name total is reserved" in problems(package(name="total"))
