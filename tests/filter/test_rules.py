"""Rules: bounds from both sides, thresholds by name, and shares that compare like fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.filter.rule_sets import RULE_SETS
from antimatter.filter.rules import MissingSignal, Rule

COUNT = 2**31 - 1
BOUNDS = sorted({bound for rules in RULE_SETS.values() for rule in rules for bound in rule.bounds.values()})


def rule(**bounds: float) -> Rule:
    return Rule(reason="set.length", signal="length", source="a paper", **bounds)


@pytest.mark.parametrize(
    ("bounds", "fails"),
    [
        ({"at_least": 2}, [True, False, False]),
        ({"more_than": 2}, [True, True, False]),
        ({"at_most": 2}, [False, False, True]),
        ({"less_than": 2}, [False, True, True]),
        ({"at_least": 2, "at_most": 2}, [True, False, True]),
    ],
)
@pytest.mark.parametrize("kind", [np.int32, np.float64])
def test_each_bound_says_itself_what_happens_at_the_bound(bounds, fails, kind):
    assert rule(**bounds).fails(np.array([1, 2, 3], dtype=kind)).tolist() == fails


def test_true_counts_as_one():
    assert rule(at_most=0).fails(np.array([True, False])).tolist() == [True, False]


def test_the_bound_that_was_crossed_is_named_and_none_if_none_was():
    crossed = rule(at_least=3, at_most=10).thresholds_crossed(np.array([2, 3, 10, 11]))
    assert crossed[[0, 3]].tolist() == [3, 10]
    assert np.isnan(crossed[1:3]).all()
    assert rule(at_least=3, at_most=10).threshold_crossed(10.5) == 10


def test_no_documents_are_judged_without_complaint():
    assert rule(at_least=1).fails(np.array([], dtype=np.int32)).tolist() == []


@pytest.mark.parametrize("values", [np.array([0.5, np.nan]), np.array([0.5, None], dtype=object)])
def test_a_missing_value_is_an_error_and_not_a_document_kept_in_silence(values):
    with pytest.raises(
        MissingSignal, match="signal length has no value for 1 of 2 documents, the first of them number 1"
    ):
        rule(at_most=1).fails(values)


def test_a_single_threshold_goes_by_the_reason_and_two_by_their_sides():
    assert rule(more_than=1).threshold_names() == {"set.length": "more_than"}
    assert rule(at_least=1, less_than=3).threshold_names() == {
        "set.length.low": "at_least",
        "set.length.high": "less_than",
    }


def test_another_threshold_leaves_strictness_and_the_other_bound_as_they_were():
    assert rule(less_than=3).with_threshold("set.length", 5) == rule(less_than=5)
    assert rule(at_least=1, at_most=3).with_threshold("set.length.high", 5) == rule(at_least=1, at_most=5)
    with pytest.raises(KeyError):
        rule(at_least=1, at_most=3).with_threshold("set.length", 5)


@st.composite
def near_shares(draw):
    """A share as close to a bound as whole numbers of this size come, or any."""
    bound, whole = draw(st.sampled_from(BOUNDS)), draw(st.integers(1, COUNT))
    nearest = int(Fraction(str(bound)) * whole)
    return bound, max(0, nearest + draw(st.integers(-2, 2))), whole


@given(near_shares(), st.sampled_from(["at_least", "more_than", "at_most", "less_than"]))
def test_a_share_compares_with_a_bound_as_the_fractions_do(share, kind):
    bound, part, whole = share
    exact, limit = Fraction(part, whole), Fraction(str(bound))
    keeps = {
        "at_least": exact >= limit,
        "more_than": exact > limit,
        "at_most": exact <= limit,
        "less_than": exact < limit,
    }
    assert rule(**{kind: bound}).fails(np.array([part / whole])).tolist() == [not keeps[kind]]
