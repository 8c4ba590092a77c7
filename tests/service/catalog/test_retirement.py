"""Ends of models: headers to the letter of their RFCs, notices on their days, policies on their lives."""

import re
from datetime import date, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from service.catalog import retirement
from service.catalog.base_models import BUILT_IN, InvalidCatalog, read
from service.catalog.retirement import LifePolicy
from tests.fixtures.api import Tenant

MODELS = read(BUILT_IN)
DYING = MODELS["gpt-4o-mini"]
END = date(2027, 1, 14)


class TestHeaders:
    def test_they_are_a_structured_date_and_an_http_date(self) -> None:
        assert retirement.headers(DYING) == {"Deprecation": "@1791936000", "Sunset": "Thu, 14 Jan 2027 00:00:00 GMT"}

    def test_a_model_whose_end_is_unknown_has_none(self) -> None:
        assert retirement.headers(MODELS["smollm2-135m-instruct"]) == {}

    @pytest.mark.parametrize("name", sorted(MODELS))
    def test_they_follow_the_grammar_for_every_model_of_the_catalog(self, name: str) -> None:
        told = retirement.headers(MODELS[name])
        if "Deprecation" in told:  # RFC 9651: a date is "@" and an integer of up to 15 digits
            assert re.fullmatch(r"@-?\d{1,15}", told["Deprecation"])
        if "Sunset" in told:  # RFC 9110: IMF-fixdate
            assert re.fullmatch(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} 00:00:00 GMT",
                                told["Sunset"])
            assert parsedate_to_datetime(told["Sunset"]).date() == MODELS[name].shutdown_date
        if set(told) == {"Deprecation", "Sunset"}:  # RFC 9745: the sunset is not before the deprecation
            assert int(told["Deprecation"][1:]) <= parsedate_to_datetime(told["Sunset"]).timestamp()

    def test_retrieving_a_model_tells_them(self, tenant: Tenant) -> None:
        answer = tenant.client.get("/v1/models/gpt-4o-mini")
        assert answer.json()["shutdown_date"] == "2027-01-14"
        assert (answer.headers["deprecation"], answer.headers["sunset"]) == (
            "@1791936000", "Thu, 14 Jan 2027 00:00:00 GMT")
        assert "sunset" not in tenant.client.get("/v1/models/smollm2-135m-instruct").headers

    def test_a_catalog_that_deprecates_after_the_end_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "catalog.toml"
        path.write_text(BUILT_IN.read_text().replace("deprecated = 2026-10-14", "deprecated = 2028-01-01"))
        with pytest.raises(InvalidCatalog, match="deprecated after it was shut down"):
            read(path)


@pytest.mark.parametrize(("left", "due"), [(91, None), (90, 90), (31, 90), (30, 30), (8, 30), (7, 7), (1, 7),
                                           (0, None), (-5, None)])
def test_the_last_notice_whose_day_has_come_is_due(left: int, due: int | None) -> None:
    assert retirement.notice_due(END, END - timedelta(days=left)) == due


@pytest.mark.parametrize(("left", "broken"), [(31, False), (30, False), (29, True)])
def test_a_policy_is_broken_by_what_lives_for_less(left: int, broken: bool) -> None:
    assert retirement.breaks(LifePolicy(30, "warn"), DYING, END - timedelta(days=left)) is broken


def test_a_model_is_dead_from_its_day_on() -> None:
    assert [retirement.is_dead(DYING, END - timedelta(days=days)) for days in (1, 0, -1)] == [False, True, True]
