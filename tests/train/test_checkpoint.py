import json
import shutil

import pytest
import torch

from antimatter.train import checkpoint

WEIGHTS = {"a": torch.arange(6.0).view(2, 3)}
MOMENTS = {"a:exp_avg": torch.ones(2, 3), "a:step": torch.tensor(3.0)}


class Killed(BaseException):
    """Stands for kill -9: nothing may catch it."""


def save(root, step):
    return checkpoint.save(root, step, WEIGHTS, MOMENTS, {"step": step}, {"torch": "x"})


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-2])


def test_what_was_saved_comes_back(tmp_path):
    save(tmp_path, 7)
    found = checkpoint.newest(tmp_path, print)
    assert (found.state, found.environment) == ({"step": 7}, {"torch": "x"})
    assert torch.equal(found.weights()["a"], WEIGHTS["a"])
    assert {name: tensor.tolist() for name, tensor in found.optimizer().items()} == {
        "a:exp_avg": [[1.0] * 3] * 2,
        "a:step": 3.0,
    }


def test_there_is_none_before_the_first(tmp_path):
    assert checkpoint.newest(tmp_path / "checkpoints", print) is None


def test_the_newest_two_stay(tmp_path):
    for step in (5, 10, 200, 1000):
        save(tmp_path, step)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step_00000200", "step_00001000"]
    assert checkpoint.newest(tmp_path, print).state["step"] == 1000


@pytest.mark.parametrize("harm", [flip_a_bit, truncate, lambda path: path.unlink()])
@pytest.mark.parametrize("name", ["model.safetensors", "optim.safetensors", "state.json", "env.json", "manifest.json"])
def test_a_damaged_checkpoint_is_passed_over_with_a_line_that_names_it(tmp_path, harm, name):
    save(tmp_path, 10)
    harm(save(tmp_path, 20) / name)
    lines = []
    assert checkpoint.newest(tmp_path, lines.append).state["step"] == 10
    assert len(lines) == 1 and "step_00000020 is not used" in lines[0]


def test_a_manifest_must_vouch_for_every_file(tmp_path):
    manifest = save(tmp_path, 10) / "manifest.json"
    manifest.write_text(json.dumps({"format": 1, "files": {}}))
    lines = []
    assert checkpoint.newest(tmp_path, lines.append) is None
    assert "manifest" in lines[0]


def test_a_checkpoint_under_another_steps_name_is_not_believed(tmp_path):
    save(tmp_path, 10).rename(tmp_path / "step_00000099")
    lines = []
    assert checkpoint.newest(tmp_path, lines.append) is None
    assert "checkpoint of step 10" in lines[0]


def test_a_format_of_the_future_is_passed_over(tmp_path):
    manifest = save(tmp_path, 10) / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 2}))
    assert checkpoint.newest(tmp_path, lambda line: None) is None


def test_a_kill_at_any_moment_of_saving_leaves_a_whole_checkpoint(tmp_path, monkeypatch):
    """Every file operation of `save` is a place to die."""
    moments = 0
    while True:
        root = tmp_path / str(moments)
        for step in (10, 20):
            save(root, step)
        left = moments

        def dying(real):
            def call(*arguments, **options):
                nonlocal left
                left -= 1
                if left < 0:
                    raise Killed
                return real(*arguments, **options)

            return call

        with monkeypatch.context() as patch:
            patch.setattr(checkpoint, "sync", dying(checkpoint.sync))
            patch.setattr(checkpoint, "_sha256", dying(checkpoint._sha256))
            patch.setattr(checkpoint, "_write_json", dying(checkpoint._write_json))
            patch.setattr(checkpoint.os, "rename", dying(checkpoint.os.rename))
            patch.setattr(checkpoint.shutil, "rmtree", dying(shutil.rmtree))
            try:
                save(root, 30)
                break
            except Killed:
                pass
        found = checkpoint.newest(root, lambda line: None)
        assert found.state["step"] in (20, 30)
        checkpoint.sweep(root, found.state["step"])
        assert all(path.name.startswith("step_") for path in root.iterdir())
        save(root, 30)
        assert checkpoint.newest(root, pytest.fail).state["step"] == 30
        moments += 1
    assert moments > 12


def test_sweeping_removes_what_lies_after_the_chosen_step(tmp_path):
    for step in (10, 20):
        save(tmp_path, step)
    (tmp_path / ".writing-step_00000030").mkdir()
    checkpoint.sweep(tmp_path, 10)
    assert [p.name for p in tmp_path.iterdir()] == ["step_00000010"]
