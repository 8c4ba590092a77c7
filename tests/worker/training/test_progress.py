"""Records come out as they went in, through kills and from any offset."""

import time
from pathlib import Path

from worker.training.progress import Failed, FailureCode, ProgressWriter, Stage, Stopped, read_progress

RENDERING = Stage(name="rendering")
STOPPED = Stopped(reason="pause", step=3, checkpoint="/c/step-3")


def names(path: Path, offset: int = 0) -> list[str]:
    return [type(record).__name__ for record in read_progress(path, offset)[0]]


def test_a_reader_goes_on_from_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    writer = ProgressWriter(path)
    writer.write(RENDERING)
    first, offset = read_progress(path)
    writer.write(STOPPED)
    second, end = read_progress(path, offset)
    assert [type(record) for record in first + second] == [Stage, Stopped]
    assert isinstance(second[0], Stopped)
    assert second[0].step == 3
    assert abs(second[0].time - time.time()) < 60
    assert read_progress(path, end) == ([], end)


def test_a_torn_last_line_is_left_until_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    ProgressWriter(path).write(RENDERING)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:10])
    records, offset = read_progress(path)
    assert len(records) == 1
    path.write_bytes(whole + whole)
    assert names(path, offset) == ["Stage"]


def test_a_writer_after_a_kill_does_not_glue_its_first_line_to_the_torn_one(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    path.write_bytes(b'{"type":"stage","na')
    ProgressWriter(path).write(STOPPED)
    assert names(path) == ["Stopped"]


def test_a_missing_file_reads_as_empty(tmp_path: Path) -> None:
    assert read_progress(tmp_path / "none", 0) == ([], 0)


def test_a_silent_writer_tells_failures_alone(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    writer = ProgressWriter(path, silent=True)
    writer.write(RENDERING)
    writer.write(Failed(code=FailureCode.OUT_OF_MEMORY, message="Too long."))
    assert names(path) == ["Failed"]


def test_only_the_machine_s_faults_are_worth_another_try() -> None:
    assert {code for code in FailureCode if code.is_retriable} == {FailureCode.DISK_FULL, FailureCode.SERVER_ERROR}
