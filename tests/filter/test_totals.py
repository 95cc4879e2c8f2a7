"""Filter's own part of the report: the columns add up to what left."""

from collections import Counter

from antimatter.filter.tally import Tally
from antimatter.filter.totals import verdicts_report
from antimatter.params.filter import Decontamination, Filter, Policy
from tests.filter.test_shard import PROSE, places_in, run

ONE, TWO = (" ".join(f"{name}{number}" for number in range(16)) for name in ("alpha", "beta"))


def test_a_document_that_holds_items_of_two_sets_left_for_one_of_them(tmp_path):
    texts = [f"{PROSE} {ONE}", f"{PROSE} {ONE} {TWO}", f"{TWO} and {ONE}", f"{PROSE} {TWO}", PROSE]
    prose = Policy(name="prose", rule_sets=())
    settings = Filter(policies=(prose,), decontamination=Decontamination(minimum_matches=2))
    sets = {"one": [("1", ONE, ["x"])], "two": [("1", TWO, ["x"])]}
    _, read, result = run(tmp_path, texts, settings, **sets)
    report = verdicts_report(
        Tally.sum([result["tally"]]), {"test": "prose"}, places_in(tmp_path, settings, **sets), settings
    )
    found = report["decontamination"]["sets"]
    removed = {f"decontamination.{entry['name']}": entry["removed_documents"] for entry in found}
    assert sum(removed.values()) == read["removed"].num_rows == 4
    assert removed == Counter(read["removed"].column("reason").to_pylist())
