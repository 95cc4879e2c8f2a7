"""What all shards did, added up."""

import ftfy

from antimatter.clean.totals import libraries, steps_report


def test_steps_stand_in_their_order_with_sums_and_sorted_sources():
    shards = [
        {
            "ftfy": {"wiki": {"documents": 2, "characters": 7}},
            "pii": {"wiki": {"documents": 0, "characters": 0, "email": 0}},
        },
        {
            "ftfy": {"web": {"documents": 1, "characters": 1}, "wiki": {"documents": 1, "characters": 3}},
            "pii": {"web": {"documents": 1, "characters": 12, "email": 1}},
        },
    ]
    assert steps_report(["ftfy", "pii", "spaces"], shards) == [
        {
            "name": "ftfy",
            "documents": 4,
            "characters": 11,
            "sources": {"web": {"documents": 1, "characters": 1}, "wiki": {"documents": 3, "characters": 10}},
        },
        {
            "name": "pii",
            "documents": 1,
            "characters": 12,
            "email": 1,
            "sources": {
                "web": {"documents": 1, "characters": 12, "email": 1},
                "wiki": {"documents": 0, "characters": 0, "email": 0},
            },
        },
        {"name": "spaces", "documents": 0, "characters": 0, "sources": {}},
    ]


def test_the_report_names_the_versions_that_decide_the_repair():
    assert libraries()["ftfy"] == ftfy.__version__
    assert libraries()["unicode"].count(".") == 2
