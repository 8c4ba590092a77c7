"""Key-encryption keys from a file, the environment or a program: read, read again when they change, never repeated."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.kit import keyring
from service.kit.encryption import KeysMissing, KeysUnusable, UnknownKey, new_data_key
from service.kit.keyring import new_line, parse
from service.settings import settings

Configure = Callable[..., None]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Configure]:
    def change(**variables: str) -> None:
        for name in ("KEK_FILE", "KEKS", "KEK_COMMAND"):
            monkeypatch.setenv(f"TUNEWORKS_{name}", variables.get(name, ""))
        settings.cache_clear()
    yield change
    monkeypatch.undo()
    settings.cache_clear()


def names() -> tuple[str, ...]:
    return keyring.keyring().names


def test_the_last_key_is_current_and_the_others_still_open_what_they_wrapped(configure: Configure) -> None:
    old, new = (new_line(name, new_data_key()) for name in ("old", "new"))
    configure(KEKS=old)
    wrapped = keyring.keyring().current.wrap(b"k" * 32, "here")
    configure(KEKS=f"# ours\n\n{old}\n  {new}  \n")
    assert keyring.keyring().current.name == "new"
    assert keyring.unwrap("old", wrapped, "here") == b"k" * 32


def test_commas_divide_keys_too(configure: Configure) -> None:
    configure(KEKS=",".join(new_line(name, new_data_key()) for name in "ab"))
    assert names() == ("a", "b")


def test_a_file_that_changes_is_read_again(configure: Configure, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(new_line("first", new_data_key()))
    configure(KEK_FILE=str(file))
    assert names() == ("first",)
    fresh = tmp_path / "fresh"
    fresh.write_text(file.read_text() + "\n" + new_line("second", new_data_key()))
    fresh.replace(file)
    assert names() == ("first", "second")


def test_a_program_is_asked_once_and_again_for_a_key_that_it_did_not_know(
        configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, calls = tmp_path / "keys", tmp_path / "calls"
    file.write_text(new_line("first", new_data_key()))
    configure(KEK_COMMAND=f"echo x >> {calls}; cat {file}")
    assert (names(), names()) == (("first",), ("first",))
    assert calls.read_text() == "x\n"
    key = new_data_key()
    wrapped = parse(new_line("second", key))[0].wrap(b"k" * 32, "here")
    file.write_text(file.read_text() + "\n" + new_line("second", key))
    with pytest.raises(UnknownKey):
        keyring.unwrap("second", wrapped, "here")
    monkeypatch.setattr(keyring, "_ASK_AGAIN_SECONDS", 0.0)
    assert keyring.unwrap("second", wrapped, "here") == b"k" * 32
    assert calls.read_text() == "x\nx\n"


def test_a_house_without_keys_says_what_to_set(configure: Configure) -> None:
    configure()
    with pytest.raises(KeysMissing, match="TUNEWORKS_KEK_FILE"):
        _ = keyring.keyring().current
    with pytest.raises(KeysMissing):
        keyring.unwrap("any", b"", "here")


@pytest.mark.parametrize(("line", "why"), [
    ("no-colon-here", "line 2 is not name:base64"), (":c2VjcmV0", "line 2 is not name:base64"),
    ("two words:c2VjcmV0", "line 2 is not name:base64"), ("x:c2VjcmV0!!", "line 2 is not base64"),
    ("x:c2VjcmV0", "line 2 has 6 bytes instead of 32"), ("x:", "line 2 has 0 bytes"),
    ("good:" + base64.b64encode(b"s" * 32).decode(), "line 2 has a name that is there before"),
])
def test_a_line_that_is_no_key_is_named_and_not_repeated(line: str, why: str) -> None:
    with pytest.raises(KeysUnusable, match=why) as refused:
        parse(new_line("good", new_data_key()) + "\n" + line)
    assert line.partition(":")[2] not in str(refused.value) or not line.partition(":")[2]
    assert "no-colon-here" not in str(refused.value)


@pytest.mark.parametrize("command", ["exit 3", "printf 'key:canary-in-output'; exit 1", "printf canary-in-output"])
def test_a_program_that_fails_is_told_without_what_it_said(configure: Configure, command: str) -> None:
    configure(KEK_COMMAND=command)
    with pytest.raises(KeysUnusable) as refused:
        names()
    assert "canary" not in str(refused.value)
    keyring.warm()


def test_a_file_that_is_not_there_or_no_text_is_named(configure: Configure, tmp_path: Path) -> None:
    configure(KEK_FILE=str(tmp_path / "gone"))
    with pytest.raises(KeysUnusable, match="gone"):
        names()
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    configure(KEK_FILE=str(tmp_path / "bytes"))
    with pytest.raises(KeysUnusable, match="is not text"):
        names()
