"""The alarm: loud when a stage takes most of a source, final when it takes everything."""

import pytest

from antimatter.corpus.alarm import Limit, TooMuchRemoved, require_plausible_removal
from antimatter.corpus.ledger import Counts


def counts(**sources: tuple[int, int]) -> Counts:
    """source=(documents in, removed)"""
    made = Counts()
    for name, (documents, removed) in sources.items():
        made.arrived(name, documents, 10 * documents)
        made.removed(name, "language.other", removed)
        made.kept(name, documents - removed, 10 * (documents - removed))
    return made


def test_a_source_above_the_share_stops_the_stage_and_tells_the_reasons():
    with pytest.raises(TooMuchRemoved, match=r"wiki: 70 of 100 documents removed \(language\.other 70\)"):
        require_plausible_removal(counts(wiki=(100, 70), other=(100, 0)), 0.6, "filter")


def test_the_message_names_the_limit_that_was_crossed():
    others = {"wiki": Limit(0.125, "max_removed_share of policy prose")}
    with pytest.raises(TooMuchRemoved, match=r"max_removed_share of policy prose allows 12\.5 %"):
        require_plausible_removal(counts(wiki=(1000, 126), other=(100, 99)), 1.0, "filter", others)
    with pytest.raises(TooMuchRemoved, match=r"filter\.max_removed_share_per_source allows 60 %"):
        require_plausible_removal(counts(wiki=(1000, 1), other=(100, 61)), 0.6, "filter", others)


@pytest.mark.parametrize("percent", range(101))
def test_a_source_that_reaches_its_limit_exactly_passes(percent):
    lost = counts(wiki=(100, percent), other=(1, 0))
    require_plausible_removal(lost, float(f"{percent / 100:.2f}"), "filter")


def test_a_small_source_does_not_stop_it_but_is_told(capsys):
    losses = require_plausible_removal(counts(mine=(6, 5), other=(100, 0)), 0.6, "filter")
    assert losses == ["mine: 5 of 6 documents removed (language.other 5)"]
    assert losses[0] in capsys.readouterr().err


def test_a_stage_that_leaves_nothing_stops_whatever_the_share():
    with pytest.raises(TooMuchRemoved, match="every document"):
        require_plausible_removal(counts(mine=(6, 6)), 1.0, "filter")


def test_a_quiet_stage_says_nothing(capsys):
    assert require_plausible_removal(counts(mine=(6, 1)), 0.6, "filter") == []
    assert capsys.readouterr().err == ""
