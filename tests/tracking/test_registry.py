"""Model versions by reference: one a model and content, and aliases that move on evidence only."""

from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from antimatter.tracking_registry import Evaluated, register

NAME = "antimatter"


def alias(client, name):
    return client.get_model_version_by_alias(NAME, name).tags["model_id"]


def versions(client):
    return client.search_model_versions(f"name = '{NAME}'")


def test_a_version_names_the_weights_and_the_train_run_and_copies_nothing(client, project, trained, evaluated):
    train = trained("m1")
    evaluated("m1", 1.5)
    (version,) = versions(client)
    assert version.source == (project / "data/model").as_uri()
    assert version.run_id == train
    assert (version.tags["model_id"], version.tags["bits_per_byte"]) == ("m1", "1.500000")
    assert version.tags["dvc.path"] == "data/model"
    assert not list(project.rglob("mlartifacts/**/file.bin"))


def test_inside_dvc_the_version_and_the_train_run_know_the_md5_and_the_way_back(
    client, trained, evaluated, monkeypatch
):
    train = trained("m1")
    Path("dvc.lock").write_text("stages: {train: {outs: [{path: data/model, md5: abc.dir}]}}")
    monkeypatch.setenv("DVC_STAGE", "evaluate")
    monkeypatch.setenv("DVC_EXP_NAME", "brave-cat")
    evaluated("m1", 1.5)
    (version,) = versions(client)
    assert version.tags["dvc.md5"] == "abc.dir"
    assert "dvc exp apply brave-cat" in version.description
    assert client.get_run(train).data.tags["dvc.out.data/model"] == "abc.dir"


def test_another_evaluation_of_a_model_updates_its_version(client, trained, evaluated):
    trained("m1")
    evaluated("m1", 1.5)
    evaluated("m1", 1.4, folder="2")
    (version,) = versions(client)
    assert version.tags["bits_per_byte"] == "1.400000"


def test_best_is_the_lowest_bits_per_byte_and_newest_the_last(client, trained, evaluated):
    for model_id, bits in (("m1", 1.5), ("m2", 1.2), ("m3", 1.3)):
        trained(model_id)
        evaluated(model_id, bits)
    assert (alias(client, "best"), alias(client, "newest")) == ("m2", "m3")


def test_a_new_evaluation_that_is_worse_hands_best_to_another_version(client, trained, evaluated):
    for model_id, bits in (("m1", 1.5), ("m2", 1.2)):
        trained(model_id)
        evaluated(model_id, bits)
    evaluated("m2", 1.6, folder="again")
    assert alias(client, "best") == "m1"


@pytest.mark.parametrize(("change", "name"), [("text", "best-on-fedcba98-1000"), ("amount", "best-on-01234567-2000")])
def test_versions_scored_on_other_tokens_are_no_rivals_and_best_stays(client, trained, evaluated, change, name):
    trained("m1")
    evaluated("m1", 1.5)
    if change == "text":
        Path("data/tokens/meta.json").write_text('{"digest": "fedcba9876543210"}')
    trained("m2")
    evaluated("m2", 0.9, tokens=2000 if change == "amount" else 1000)
    assert [alias(client, each) for each in ("best", "newest", name)] == ["m1", "m2", "m2"]
    assert alias(client, "best-on-01234567-1000") == "m1"


def test_a_model_scored_on_two_texts_is_a_rival_on_both_and_best_moves_once_they_can_be_compared(
    client, trained, evaluated
):
    trained("m1")
    evaluated("m1", 1.5)
    trained("m2")
    evaluated("m2", 1.2, tokens=2000)
    assert alias(client, "best") == "m1"
    evaluated("m1", 1.1, tokens=2000, folder="long")
    assert alias(client, "best") == "m1"
    evaluated("m2", 1.4, folder="short")
    names = ("best", "best-on-01234567-1000", "best-on-01234567-2000")
    assert [alias(client, name) for name in names] == ["m2", "m2", "m1"]
    assert len(versions(client)) == 2


def test_the_tenth_version_comes_after_the_second_and_of_equal_scores_the_older_is_best(client, project, trained):
    train = trained("m1")
    for number in range(1, 11):
        model = Evaluated(
            model_id=f"m{number}", path=project / "data/model", md5="", train_run=train, evaluate_run="",
            bits_per_byte=1.0 if number in (2, 10) else 2.0, tokens_digest="d", tokens_scored=9, origin={},
        )  # fmt: skip
        register(client, model)
    assert (alias(client, "best"), alias(client, "newest")) == ("m2", "m10")


@pytest.mark.parametrize("first", ["inside", "outside"])
def test_one_evaluation_inside_of_dvc_and_one_outside_make_one_version(client, trained, evaluated, monkeypatch, first):
    trained("m1")
    Path("dvc.lock").write_text("stages: {train: {outs: [{path: data/model, md5: abc.dir}]}}")
    for place in (first, "outside" if first == "inside" else "inside"):
        monkeypatch.delenv("DVC_STAGE", raising=False)
        if place == "inside":
            monkeypatch.setenv("DVC_STAGE", "evaluate")
        evaluated("m1", 1.5, folder=place)
    (version,) = versions(client)
    assert version.tags["dvc.md5"] == "abc.dir"
    assert "git log -S abc.dir -- dvc.lock" in version.description


def test_other_weights_of_one_model_id_are_another_version(client, trained, evaluated, monkeypatch):
    monkeypatch.setenv("DVC_STAGE", "evaluate")
    trained("m1")
    for md5 in ("abc.dir", "def.dir", "abc.dir"):
        Path("dvc.lock").write_text(f"stages: {{train: {{outs: [{{path: data/model, md5: {md5}}}]}}}}")
        evaluated("m1", 1.5, folder=md5)
    assert sorted(version.tags["dvc.md5"] for version in versions(client)) == ["abc.dir", "def.dir"]


def test_a_store_that_refuses_costs_one_line_and_leaves_no_empty_name(client, trained, evaluated, monkeypatch, capsys):
    import mlflow

    def refuse(*arguments, **more):
        raise MlflowException("invalid source", error_code=3)

    monkeypatch.setattr(mlflow.MlflowClient, "create_model_version", refuse)
    train = trained("m1")
    evaluated("m1", 1.5)
    assert capsys.readouterr().err.count("\n") == 1
    assert client.search_registered_models() == []
    assert client.get_run(train).data.metrics["evaluate.bits_per_byte"] == 1.5


def test_without_a_train_run_nothing_is_registered(client, evaluated):
    evaluated("from elsewhere", 1.5)
    assert client.search_registered_models() == []
