"""One shard through filter: judged by the policy of its source, never edited."""

import pyarrow as pa

from antimatter.corpus.ledger import Counts
from antimatter.corpus.shards import read_shard, shard_name
from antimatter.filter.shard import filter_shard
from antimatter.params.filter import Filter, Policy
from tests.documents import write_documents

PROSE = "The old man and the sea have been with us for a long time, and that is what we have to be glad of. " * 4
FRENCH = "La maison se trouvait au bout de la rue, et personne n'y avait habité depuis des années. " * 6
SHORT = "hello there, how are you today my friend?"
SETTINGS = Filter(policies=(Policy(name="prose", languages=("en",)), Policy(name="conversation", rule_sets=())))


def run(tmp_path, texts, settings=SETTINGS):
    table = write_documents(tmp_path / "in", [texts])[0]
    result = filter_shard(0, source=tmp_path / "in", output=tmp_path / "out", settings=settings)
    Counts.from_plain(result["counts"]).require_balance("filter")
    read = {kind: read_shard(tmp_path / "out" / kind / shard_name(0)) for kind in ("documents", "removed", "signals")}
    return table, read


def test_prose_stays_and_the_others_leave_with_reason_value_and_threshold(tmp_path):
    _, read = run(tmp_path, [PROSE, FRENCH, SHORT])
    assert read["documents"].column("text").to_pylist() == [PROSE]
    french, short = read["removed"].to_pylist()
    assert french["reason"] == "language.other"
    assert "gopher_quality.stop_words" in french["also_failed"]
    assert (short["reason"], short["value"], short["threshold"]) == ("gopher_quality.word_count", 8, 50)


def test_each_source_is_judged_by_its_own_policy(tmp_path):
    settings = Filter(policies=SETTINGS.policies, sources={"test": "conversation"})
    _, read = run(tmp_path, [SHORT], settings)
    assert read["documents"].num_rows == 1


def test_texts_are_never_edited_and_languages_are_filled_in(tmp_path):
    table, read = run(tmp_path, [PROSE + " \u00a0\n\n\n odd   spacing "])
    assert read["documents"].column("text").equals(table.column("text"))
    assert read["documents"].column("language").to_pylist() == ["en"]
    assert pa.compute.min(read["documents"].column("language_score")).as_py() > 0.9


def test_signals_are_written_for_kept_and_removed_alike(tmp_path):
    table, read = run(tmp_path, [PROSE, SHORT])
    assert read["signals"].column("id").equals(table.column("id"))
    assert read["signals"].column("words").to_pylist() == [96, 8]
