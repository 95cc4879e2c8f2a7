"""Three variants of training by `dvc exp run`, side by side in MLflow's page as `make ui` opens it."""

import shutil
import socket

import pytest

from antimatter import cli_ui, tracking_store, tracking_view

pytestmark = pytest.mark.pipeline
RATES = {"slow": "5e-4", "middle": "1.5e-3", "fast": "3e-3"}


def test_the_link_of_make_ui_lists_three_experiments_and_their_curves(chromium, copy_of_finished, tmp_path):
    for name, rate in RATES.items():
        setting = f"train.learning_rate={rate}"
        copy_of_finished.dvc("exp", "run", "--name", name, "-S", setting, "train", ANTIMATTER_TRACKING="mlflow")
    shutil.copyfile(copy_of_finished.folder / "mlflow.db", tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = tracking_store.connect(uri)
    experiment = tracking_store.experiment_id(client, uri)
    tracking_view.publish(client, experiment, tracking_view.MODELS)
    with socket.socket() as free:
        free.bind((cli_ui.HOST, 0))
        base = f"http://{cli_ui.HOST}:{free.getsockname()[1]}"
    with cli_ui.server(uri, int(base.rpartition(":")[2])) as process:
        assert cli_ui.answers(process, base)
        with chromium.new_context(viewport={"width": 1400, "height": 900}) as context:
            page = context.new_page()
            page.goto(tracking_view.link(base, experiment, tracking_view.MODELS))
            for name in RATES:
                page.get_by_role("link", name=f"train-{name}", exact=True).wait_for(timeout=60_000)
            page.get_by_text("smoothed_loss", exact=True).first.wait_for(timeout=60_000)
            page.screenshot(path=tmp_path / "variants.png")
            assert not page.get_by_text("share key is invalid").count()
