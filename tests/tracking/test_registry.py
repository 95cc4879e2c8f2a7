"""Model versions by reference: one a model and content, and aliases that move on evidence only."""

from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

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


@pytest.mark.parametrize("change", ["text", "amount"])
def test_versions_scored_on_other_tokens_are_no_rivals_and_best_stays(client, trained, evaluated, change):
    trained("m1")
    evaluated("m1", 1.5)
    if change == "text":
        Path("data/tokens/file.bin").write_bytes(b"\x03\x04")
    trained("m2")
    evaluated("m2", 0.9, tokens=2000 if change == "amount" else 1000)
    assert alias(client, "best") == "m1"
    on_its_own = versions(client)[0].tags["evaluated_on"] if change == "text" else None
    if on_its_own:
        assert alias(client, f"best-on-{on_its_own[:8]}") == "m2"


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
