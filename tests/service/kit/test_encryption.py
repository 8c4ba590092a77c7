"""What is sealed opens with that key, in that place and for that purpose, and never otherwise."""

import pytest

from service.kit.encryption import CannotOpen, LocalKey, new_data_key, seal, unseal

KEY, CONTEXT = new_data_key(), "org-1/proj_1/cred_1/secret"


def test_what_is_sealed_opens_again_and_no_two_sealings_are_alike() -> None:
    first, second = seal(KEY, b"sk-1", CONTEXT), seal(KEY, b"sk-1", CONTEXT)
    assert unseal(KEY, first, CONTEXT) == unseal(KEY, second, CONTEXT) == b"sk-1"
    assert first != second
    assert b"sk-1" not in first


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(CannotOpen):
        unseal(new_data_key(), seal(KEY, b"sk-1", CONTEXT), CONTEXT)


def test_no_byte_of_it_may_change() -> None:
    sealed = seal(KEY, b"sk-1", CONTEXT)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(CannotOpen):
            unseal(KEY, bytes(changed), CONTEXT)


@pytest.mark.parametrize("cut", [0, 1, 5, 12, 13, 28, -1])
def test_a_part_of_it_does_not_open(cut: int) -> None:
    with pytest.raises(CannotOpen):
        unseal(KEY, seal(KEY, b"sk-1", CONTEXT)[:cut], CONTEXT)


@pytest.mark.parametrize("elsewhere", ["org-2/proj_1/cred_1/secret", "org-1/proj_2/cred_1/secret",
                                       "org-1/-/cred_1/secret", "org-1/proj_1/cred_2/secret",
                                       "org-1/proj_1/cred_1/webhook-secret", ""])
def test_it_does_not_open_in_another_place(elsewhere: str) -> None:
    with pytest.raises(CannotOpen):
        unseal(KEY, seal(KEY, b"sk-1", CONTEXT), elsewhere)


def test_a_wrapped_data_key_opens_under_its_own_key_encryption_key_only() -> None:
    kek, other, data_key = LocalKey("a", new_data_key()), LocalKey("a", new_data_key()), new_data_key()
    wrapped = kek.wrap(data_key, CONTEXT)
    assert kek.unwrap(wrapped, CONTEXT) == data_key
    with pytest.raises(CannotOpen):
        other.unwrap(wrapped, CONTEXT)


def test_a_key_that_is_printed_shows_its_name_only() -> None:
    key = new_data_key()
    shown = repr(LocalKey("2026", key))
    assert shown == "LocalKey('2026')"


def test_the_refusal_tells_clients_not_to_try_again() -> None:
    assert (CannotOpen().status, CannotOpen().headers["x-should-retry"]) == (503, "false")
