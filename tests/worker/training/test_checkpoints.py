"""Checkpoint directories are whole or not there, and the last few are kept."""

from pathlib import Path

import pytest

from worker.training.checkpoints import Checkpoints
from worker.training.manifests import MANIFEST, is_whole, read_manifest


def store(root: Path, steps: list[int], *, keep: int = 3) -> Checkpoints:
    checkpoints = Checkpoints(root, keep=keep)
    for step in steps:
        with checkpoints.writing(step, epoch=1) as building:
            (building / "weights").write_bytes(bytes(1000))
            (building / "trainer" / "state").write_text(f"{step}")
    return checkpoints


def test_the_manifest_names_every_file_with_size_and_sum(tmp_path: Path) -> None:
    checkpoint = store(tmp_path, [2]).path(2)
    manifest = read_manifest(checkpoint)
    assert manifest
    assert set(manifest.files) == {"weights", "trainer/state"}
    assert manifest.files["weights"].size == 1000
    assert manifest.about == {"step": 2, "epoch": 1}
    assert is_whole(checkpoint)


def test_the_last_three_are_kept(tmp_path: Path) -> None:
    checkpoints = store(tmp_path, [2, 4, 9, 10, 11])
    assert checkpoints.steps() == [9, 10, 11]
    assert checkpoints.newest() == 11


@pytest.mark.parametrize("harm", ["changed", "shortened", "missing", "no manifest", "torn manifest"])
def test_a_torn_checkpoint_is_passed_over_and_removed(tmp_path: Path, harm: str) -> None:
    checkpoints = store(tmp_path, [1, 2])
    file = checkpoints.path(2) / ("weights" if "manifest" not in harm else MANIFEST)
    if harm in {"missing", "no manifest"}:
        file.unlink()
    else:
        file.write_bytes({"changed": bytes(999) + b"x", "shortened": bytes(999), "torn manifest": b"{"}[harm])
    assert checkpoints.newest() == 1
    assert checkpoints.steps() == [1]


def test_nothing_is_left_of_a_checkpoint_whose_writing_failed(tmp_path: Path) -> None:
    checkpoints = store(tmp_path, [1])
    with pytest.raises(FileNotFoundError), checkpoints.writing(2) as building:
        (building / "weights" / "half").write_bytes(b"into a directory that is not there")
    assert [path.name for path in tmp_path.iterdir()] == ["step-1"]


def test_what_a_kill_left_half_written_is_removed(tmp_path: Path) -> None:
    checkpoints = store(tmp_path, [1])
    (tmp_path / ".step-2.abc").mkdir()
    (tmp_path / ".step-2.abc" / "weights").write_bytes(b"half")
    assert checkpoints.newest() == 1
    assert [path.name for path in tmp_path.iterdir()] == ["step-1"]


def test_without_checkpoints_there_is_no_newest(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none", keep=1).newest() is None
