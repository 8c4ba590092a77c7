"""The three things that an endpoint may ask for: the id, everything, or a message for a chat."""

import json
from datetime import UTC, datetime
from typing import Any

from service.events.tables import Event
from service.events.types import EventType
from service.webhooks.bodies import body
from service.webhooks.tables import WebhookEndpoint

AT = datetime(2026, 11, 26, 15, 4, 5, tzinfo=UTC)


def told(data: dict[str, Any], *, kind: str = "webhook", payload: str = "thin") -> Any:
    event = Event(id="evt_1", project_id="proj_1", type=EventType.JOB_FAILED, subject="ftjob-1", sequence=3,
                  created_at=AT, data={"id": "ftjob-1", **data})
    return json.loads(body(event, WebhookEndpoint(id="we_1", kind=kind, payload=payload)))


def test_thin_tells_the_id_alone() -> None:
    assert told({"error": {"message": "No."}}) == {
        "id": "evt_1", "object": "event", "type": "fine_tuning.job.failed", "created_at": int(AT.timestamp()),
        "sequence": 3, "data": {"id": "ftjob-1"}}


def test_full_tells_what_is_kept() -> None:
    assert told({"status": "failed"}, payload="full")["data"] == {"id": "ftjob-1", "status": "failed"}


class TestSlack:
    def test_a_message_says_it_in_words_and_in_blocks(self) -> None:
        message = told({"error": {"message": "The loss is not a number."}}, kind="slack")
        assert message["text"] == "Fine-tuning job ftjob-1 failed: The loss is not a number."
        assert [block["type"] for block in message["blocks"]] == ["header", "section", "context"]
        assert message["blocks"][0]["text"]["text"] == "Job failed"
        assert message["blocks"][1]["text"]["text"] == message["text"]
        foot = message["blocks"][2]["elements"][0]["text"]
        assert foot == "fine_tuning.job.failed · ftjob-1 · 2026-11-26 15:04 UTC"

    def test_nothing_in_it_is_markup(self) -> None:
        hostile = "<!channel> & <https://evil.example|your bank> *bold* :tada:\n@here"
        message = told({"error": {"message": hostile}, "suffix": "<@U123>"}, kind="slack")
        words = json.dumps(message, ensure_ascii=False)
        assert "<" not in words
        assert ">" not in words
        assert "&lt;!channel&gt; &amp; &lt;https://evil.example|your bank&gt;" in message["text"]
        assert message["mrkdwn"] is False
        texts = [message["blocks"][0]["text"], message["blocks"][1]["text"], *message["blocks"][2]["elements"]]
        assert {(each["type"], each["emoji"]) for each in texts} == {("plain_text", False)}

    def test_what_is_endless_is_cut_to_what_slack_takes(self) -> None:
        message = told({"error": {"message": "&" * 100_000}}, kind="slack")
        assert len(message["blocks"][1]["text"]["text"]) <= 3000
