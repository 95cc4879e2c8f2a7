from antimatter.train.journal import Journal, read_csv, read_records, standing


def row(step):
    return {"step": step, "tokens": step * 8, "epoch": 0.5, "loss": 1 / 3, "smoothed_loss": 0.5, "learning_rate": 1e-3,
            "gradient_norm": float("inf"), "loss_scale": 65536.0, "cursor": step * 4}  # fmt: skip


def test_numbers_are_written_with_nine_digits_and_read_back(tmp_path):
    journal = Journal(tmp_path, 0)
    journal.log(row(1))
    journal.validation({"step": 1, "tokens": 8, "loss": 2.0, "perplexity": 7.4, "bits_per_byte": None})
    journal.sync()
    assert (tmp_path / "log.csv").read_text().splitlines()[1] == "1,8,0.5,0.333333333,0.5,0.001,inf,65536,4"
    assert read_csv(tmp_path / "log.csv")[0]["loss_scale"] == 65536.0
    assert (tmp_path / "validation.csv").read_text().splitlines()[1] == "1,8,2,7.4,"


def test_a_resumed_journal_holds_no_step_twice(tmp_path):
    journal = Journal(tmp_path, 0)
    for step in range(1, 6):
        journal.log(row(step))
        journal.record("train", step, seconds=step * 10.0)
    journal.sync()
    resumed = Journal(tmp_path, 3)
    resumed.log(row(4))
    resumed.record("train", 4)
    resumed.sync()
    assert [r["step"] for r in read_csv(tmp_path / "log.csv")] == [1, 2, 3, 4]
    assert [r["step"] for r in read_records(tmp_path / "records.jsonl")] == [1, 2, 3, 4]
    assert resumed.seconds_before == 50.0  # the two lost steps took their time all the same


def test_the_quiz_is_cut_back_like_the_log(tmp_path):
    journal = Journal(tmp_path, 0)
    row = {"tokens": 8, "accuracy": 0.25, "error": None, "accuracy_norm": 0.5, "error_norm": 0.125, "items": 9}
    for step in (2, 4, 6):
        journal.quiz({"step": step, **row})
    journal.sync()
    resumed = Journal(tmp_path, 5)
    resumed.take_back(3, 1)
    resumed.sync()
    header = "step,tokens,accuracy,error,accuracy_norm,error_norm,items"
    assert (tmp_path / "quiz.csv").read_text().splitlines() == [header, "2,8,0.25,,0.5,0.125,9"]


def test_of_records_those_stand_that_no_rollback_took_back_and_came_last():
    def back(number, target):
        return {"kind": "rollback", "step": 9, "number": number, "target_step": target}

    def sample(step, text):
        return {"kind": "sample", "step": step, "text": text}

    records = [sample(2, "a"), sample(4, "b"), sample(6, "c"), {"kind": "train", "step": 6}, back(1, 3)]
    records += [sample(4, "d"), back(1, 3), sample(8, "e"), sample(8, "f")]  # a start tells rollback 1 again
    assert [(r["step"], r["text"]) for r in standing(records, "sample")] == [(2, "a"), (4, "d"), (8, "f")]
    assert standing([*records, back(2, 1)], "sample") == []


def test_a_line_that_a_kill_cut_short_is_dropped(tmp_path):
    journal = Journal(tmp_path, 0)
    journal.log(row(1))
    journal.record("train", 1)
    journal.sync()
    for name, start in (("log.csv", "1,2"), ("records.jsonl", '{"kind": "tr')):
        with (tmp_path / name).open("a") as file:
            file.write(start)
    Journal(tmp_path, 5).sync()
    assert [r["step"] for r in read_csv(tmp_path / "log.csv")] == [1]
    assert [r["step"] for r in read_records(tmp_path / "records.jsonl")] == [1]


def test_rows_that_a_rollback_takes_back_are_kept_elsewhere(tmp_path):
    journal = Journal(tmp_path, 0)
    for step in range(1, 6):
        journal.log(row(step))
        journal.record("train", step)
    journal.event("rollback", 5, target_step=3)
    journal.take_back(3, 1)
    journal.log(row(4))
    journal.take_back(3, 2)
    journal.sync()
    assert [r["step"] for r in read_csv(tmp_path / "log.csv")] == [1, 2, 3]
    abandoned = read_csv(tmp_path / "abandoned.csv")
    assert [(r["step"], r["rollback"]) for r in abandoned] == [(4, 1), (5, 1), (4, 2)]
    assert [r["kind"] for r in read_records(tmp_path / "records.jsonl")] == ["train"] * 5 + ["rollback"]


def test_a_resume_forgets_later_skips_but_no_rollback(tmp_path):
    journal = Journal(tmp_path, 0)
    for step, kind in ((2, "skipped"), (6, "skipped"), (7, "rollback"), (9, "given_up")):
        journal.event(kind, step, number=1)
    Journal(tmp_path, 4).sync()
    assert [e["step"] for e in read_records(tmp_path / "events.jsonl")] == [2, 7, 9]


def test_a_rollback_that_a_kill_kept_from_the_journal_is_told_by_the_next_start(tmp_path):
    journal = Journal(tmp_path, 0)
    for step in range(1, 6):
        journal.log(row(step))
    journal.sync()
    rollback = {"number": 1, "trigger_step": 5, "target_step": 3}
    for _ in range(2):
        Journal(tmp_path, 3, [rollback]).sync()
    assert [r["step"] for r in read_csv(tmp_path / "log.csv")] == [1, 2, 3]
    assert [(r["step"], r["rollback"]) for r in read_csv(tmp_path / "abandoned.csv")] == [(4, 1), (5, 1)]
    assert [e["kind"] for e in read_records(tmp_path / "events.jsonl")] == ["rollback"]
    assert [r["kind"] for r in read_records(tmp_path / "records.jsonl")] == ["rollback"]
