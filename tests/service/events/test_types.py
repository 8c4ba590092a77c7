"""Every type of event says when it happens, to what, and what its data hold."""

import pytest

from service.events.types import DESCRIPTIONS, EventType
from tests.fixtures.api import Tenant


def test_each_type_is_described_once_and_in_the_order_of_the_types() -> None:
    assert list(DESCRIPTIONS) == list(EventType)


@pytest.mark.parametrize("type_", EventType)
def test_a_description_is_whole_sentences_and_names_no_field_twice(type_: EventType) -> None:
    told = DESCRIPTIONS[type_]
    assert told.when[0].isupper()
    assert told.when.endswith(".")
    assert told.subject.startswith(("the ", "the tuned model"))
    assert "id" not in told.data


def test_the_list_of_types_describes_them(tenant: Tenant) -> None:
    answer = tenant.client.get("/v1/webhook_event_types").json()
    assert answer["data"] == [each.value for each in EventType]
    assert {"*", "fine_tuning.*", "fine_tuning.job.*", "import.*"} < set(answer["groups"])
    assert not set(answer["groups"]) & set(answer["data"])
    assert [each["type"] for each in answer["descriptions"]] == answer["data"]
    milestone = next(each for each in answer["descriptions"] if each["type"] == EventType.JOB_MILESTONE)
    assert set(milestone["data"]) == {"percent", "step", "total_steps", "metrics"}
    assert milestone["snapshot"] == "GET /v1/fine_tuning/jobs/{id}"
