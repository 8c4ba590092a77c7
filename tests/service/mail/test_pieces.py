"""Addresses, links and times by themselves."""

from datetime import UTC, datetime, timedelta

import pytest

from service.mail.addresses import InvalidAddress, normal
from service.mail.timetable import LIFE, due, next_try
from service.mail.tokens import LONGEST, Purpose, is_genuine, new_secret, subscription_of, token


class TestAddresses:
    @pytest.mark.parametrize(("given", "kept"), [
        ("ops@example.com", "ops@example.com"), ("Ops+night@EXAMPLE.com", "Ops+night@example.com"),
        ("ops@bücher.de", "ops@xn--bcher-kva.de"), ("ops@corp.internal", "ops@corp.internal"),
    ])
    def test_are_kept_as_servers_take_them(self, given: str, kept: str) -> None:
        assert normal(given) == kept

    @pytest.mark.parametrize("given", [
        "", "ops", "@example.com", "ops@", "ops@localhost", "ops@[127.0.0.1]", "ops@[IPv6:::1]", "o ps@example.com",
        "ops@example.com\r\nBcc: all@example.com", "ops@example.com\n", "ops\x00@example.com", "Ops <ops@example.com>",
        "<ops@example.com>", "ops@example.com,all@example.com", "ops@example.com;all@example.com", '"o ps"@example.com',
        "öps@example.com", "ops@example..com", "ops@-example.com", "ops@example.com>", "ops@exa\u2028mple.com",
        "a" * 65 + "@example.com", "a@" + "b" * 60 + ("." + "c" * 60) * 4 + ".com", "ops@ex\u202eample.com",
        "ops@example.com SIZE=1", "=?utf-8?q?x?=@ex ample.com", "ops@example.com\u200b", "=?utf-8?q?x?=@example.com",
    ])
    def test_that_are_anything_else_are_refused(self, given: str) -> None:
        with pytest.raises(InvalidAddress):
            normal(given)


class TestTokens:
    def test_hold_for_one_subscription_one_purpose_and_one_secret(self) -> None:
        secret = new_secret()
        made = token(secret, "nsub_1", Purpose.CONFIRM)
        assert subscription_of(made) == "nsub_1"
        assert is_genuine(made, secret, "nsub_1", Purpose.CONFIRM)
        assert not is_genuine(made, secret, "nsub_1", Purpose.UNSUBSCRIBE)
        assert not is_genuine(made, secret, "nsub_2", Purpose.CONFIRM)
        assert not is_genuine(made, new_secret(), "nsub_1", Purpose.CONFIRM)

    def test_need_no_quoting_in_a_url(self) -> None:
        made = [token(new_secret(), f"nsub_{'x' * 32}", Purpose.UNSUBSCRIBE) for _ in range(50)]
        assert all(each.replace("_", "").replace("-", "").replace(".", "").isalnum() for each in made)
        assert max(map(len, made)) < LONGEST

    @pytest.mark.parametrize("given", ["", ".", "nsub_1", "nsub_1.", "nsub_1.ü", "nsub_1.\ud800", "nsub_1." + "A" * 32])
    def test_of_nobody_are_not_genuine(self, given: str) -> None:
        assert not is_genuine(given, new_secret(), "nsub_1", Purpose.CONFIRM)


class TestTimes:
    @pytest.mark.parametrize(("digest", "told", "expected"), [
        ("immediate", "2026-11-26T15:04:05+00:00", "2026-11-26T15:04:05+00:00"),
        ("hourly", "2026-11-26T15:04:05+00:00", "2026-11-26T16:00:00+00:00"),
        ("hourly", "2026-11-26T15:00:00+00:00", "2026-11-26T16:00:00+00:00"),
        ("hourly", "2026-11-26T23:59:59+00:00", "2026-11-27T00:00:00+00:00"),
        ("daily", "2026-11-26T06:59:59+00:00", "2026-11-26T07:00:00+00:00"),
        ("daily", "2026-11-26T07:00:00+00:00", "2026-11-27T07:00:00+00:00"),
        ("daily", "2026-12-31T23:00:00-02:00", "2027-01-01T07:00:00+00:00"),
    ])
    def test_of_digests(self, digest: str, told: str, expected: str) -> None:
        assert due(digest, datetime.fromisoformat(told)) == datetime.fromisoformat(expected).astimezone(UTC)

    def test_of_tries_grow_to_an_hour_and_end_after_three_days(self) -> None:
        waits = [next_try(attempts, timedelta()) for attempts in (1, 2, 3, 8, 100_000)]
        assert waits == [timedelta(seconds=30), timedelta(minutes=1), timedelta(minutes=2), timedelta(hours=1),
                         timedelta(hours=1)]
        assert next_try(1, LIFE) is None
