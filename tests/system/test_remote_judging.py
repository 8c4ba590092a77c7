"""The judge of remote chaos must see what it is there for: doubled jobs, wrong money, holds left open, lost ends."""

from collections import Counter
from typing import Any

import pytest

from tests.remote.control import Ledger
from tests.system.remote_judging import Books, Verdict, judge_money


def line(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"ftjob-{number}", "metadata": {"tuneworks_key": "k"}, "live": False, "paid": True,
            "micro_dollars": 300, "status": "succeeded"} | more


def judged(*jobs: dict[str, Any], settled: int = 300, closed: int = 1, status: str = "succeeded") -> Verdict:
    verdict = Verdict()
    books = Books({"k": 500}, Counter({"k": settled}), Counter({"k": closed}), {"k": "ours"})
    judge_money(books, Ledger(list(jobs), [], [], {}, {}, []), {"ours": status}, verdict)
    return verdict


def test_one_paid_job_whose_price_is_settled_is_well() -> None:
    verdict = judged(line(1))
    assert verdict.broken == []
    assert verdict.books["micro-dollars"] == ("300", "300")


def test_an_extra_that_was_cancelled_unpaid_is_well() -> None:
    extra = line(2, paid=False, micro_dollars=0, status="cancelled")
    assert judged(line(1), extra).broken == []


@pytest.mark.parametrize(("verdict", "word"), [
    (judged(line(1), line(2)), "more than one live or paid job"),
    (judged(line(1), line(2, paid=False, live=True, micro_dollars=0)), "more than one live or paid job"),
    (judged(line(1), settled=299), "299 settled here, 300 billed there"),
    (judged(line(1), closed=0), "the hold was ended 0 times"),
    (judged(line(1), closed=2), "the hold was ended 2 times"),
    (judged(line(1, metadata={"tuneworks_key": "other"})), "never held money for"),
    (judged(line(1), status="failed"), "succeeded there only"),
    (judged(line(1, status="cancelled")), "here only"),
])
def test_what_is_wrong_is_told(verdict: Verdict, word: str) -> None:
    assert [fault for fault in verdict.broken if word in fault]
