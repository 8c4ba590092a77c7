"""From foreign rows to a reviewed, priced and trained model: data sets through the SDK, against a whole house."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import APIStatusError, BadRequestError, OpenAI

from tests.fixtures.whole_house import BASE, WholeHouse, chat_lines, until

pytestmark = pytest.mark.usefixtures("whole_house")
ENDS = {"succeeded", "failed", "cancelled"}
HYPERPARAMETERS = {"n_epochs": 1, "batch_size": 8}


@pytest.fixture
def client(whole_house: WholeHouse) -> Iterator[OpenAI]:
    with whole_house.client(max_retries=0) as client:
        yield client


def ask(client: OpenAI, path: str, **query: Any) -> Any:
    return client.get(path, cast_to=object, options={"params": query})


def tell(client: OpenAI, path: str, body: Any = None) -> Any:
    return client.post(path, cast_to=object, body=body)


def alpaca(rows: int) -> bytes:
    """A JSON array of instructions, as the Alpaca data set has them; every fifth row twice, one with an address."""
    table = [{"instruction": f"Write the number {number} as a word, please.", "input": "",
              "output": f"The number {number} is written as {'-'.join(str(number))}, digit by digit."}
             for number in range(rows) for _ in range(2 if number % 5 == 0 else 1)]
    table[3]["output"] += " Questions go to maria.lopez@contoso-mail.net."
    return json.dumps(table).encode()


def upload(client: OpenAI, name: str, content: bytes, purpose: Any) -> str:
    return client.files.create(file=(name, io.BytesIO(content)), purpose=purpose).id


def ready(client: OpenAI, version: Any) -> Any:
    """The version once it is built."""
    place = f"/datasets/{version['dataset_id']}/versions/{version['id']}"
    until(lambda: ask(client, place)["status"] != "building", 60, f"{version['id']} is built")
    found = ask(client, place)
    assert found["status"] == "ready", found["error"]
    return found


def transformed(client: OpenAI, version: Any, **transformation: Any) -> Any:
    return tell(client, f"/datasets/{version['dataset_id']}/versions", {"source": {
        "type": "transformation", "transformation": transformation, "versions": [version["id"]]}})


def analysed(client: OpenAI, file_id: str) -> Any:
    def done() -> bool:
        return bool(ask(client, f"/files/{file_id}/validation")["status"] == "completed")
    until(done, 60, f"{file_id} is analysed")
    return ask(client, f"/files/{file_id}/validation")


def dataset(client: OpenAI, name: str, content: bytes, filename: str) -> Any:
    """A data set with its first version built from a file in another shape."""
    made = tell(client, "/datasets", {"name": name})
    file_id = upload(client, filename, content, "user_data")
    return ready(client, tell(client, f"/datasets/{made['id']}/versions",
                              {"source": {"type": "file", "file_id": file_id}}))


def test_from_foreign_rows_to_a_model_that_was_priced_before_it_was_trained(client: OpenAI) -> None:
    first = dataset(client, "numbers", alpaca(60), "numbers.json")
    assert first["examples"] == 72
    report = analysed(client, first["file_id"])
    assert (report["format"], report["errors"]) == ("chat", 0)
    assert report["duplicates"]["exact"] == 12
    assert report["privacy"]["counts"]

    unique = ready(client, transformed(client, first, type="deduplicate"))
    redacted = ready(client, transformed(client, unique, type="redact"))
    assert b"maria.lopez" not in client.files.content(redacted["file_id"]).read()
    parts = transformed(client, redacted, type="split", fraction=0.8, seed=3)["data"]
    training, validation = (ready(client, part) for part in parts)
    assert training["examples"] + validation["examples"] == 60

    preview = tell(client, f"/datasets/{training['dataset_id']}/versions/{training['number']}/previews",
                   {"model": BASE, "limit": 2})
    place = f"/datasets/{training['dataset_id']}/versions/{training['id']}/previews/{preview['id']}"
    until(lambda: ask(client, place)["status"] != "pending", 60, "the preview is made")
    shown = ask(client, place)
    assert shown["status"] == "completed", shown
    runs = shown["examples"][0]["runs"]
    assert "digit by digit" in "".join(run["text"] for run in runs if run["trained"])
    assert "as a word, please" in "".join(run["text"] for run in runs if not run["trained"])

    body = {"model": BASE, "training_file": training["id"], "validation_file": f"numbers@{validation['number']}",
            "method": {"type": "supervised", "supervised": {"hyperparameters": HYPERPARAMETERS}}}
    preflight = tell(client, "/fine_tuning/preflights", body)
    until(lambda: ask(client, f"/fine_tuning/preflights/{preflight['id']}")["status"] == "completed", 60,
          "the pre-flight is complete")
    preflight = ask(client, f"/fine_tuning/preflights/{preflight['id']}")
    assert preflight["verdict"] in {"go", "warn"}, preflight["reasons"]

    job = tell(client, "/fine_tuning/jobs", body | {"preflight": preflight["id"]})
    assert job["preflight"] == preflight["id"]
    assert job["training_file"] == training["file_id"]
    until(lambda: client.fine_tuning.jobs.retrieve(job["id"]).status in ENDS, 120, "the job ends")
    ended = client.fine_tuning.jobs.retrieve(job["id"])
    assert ended.status == "succeeded", ended.error
    counted = preflight["candidates"][0]
    assert counted["billed_tokens"] == dict.fromkeys(("low", "expected", "high"), ended.trained_tokens), "as was told"

    with pytest.raises(APIStatusError) as refused:
        client.delete(f"/datasets/{training['dataset_id']}/versions/{training['id']}", cast_to=object)
    assert refused.value.status_code == 409
    assert job["id"] in refused.value.message
    erased: Any = client.delete(f"/datasets/{training['dataset_id']}/versions/{training['id']}", cast_to=object,
                                options={"params": {"erase": "true"}})
    assert json.dumps(ended.fine_tuned_model) in json.dumps(erased)


def test_a_policy_lets_only_reviewed_data_be_trained(whole_house: WholeHouse, client: OpenAI) -> None:
    administration = OpenAI(base_url=whole_house.ready["base_url"], api_key=whole_house.ready["admin_key"],
                            max_retries=0)
    project: Any = administration.post("/organization/projects", cast_to=object, body={"name": "Careful"})
    administration.post(f"/organization/projects/{project['id']}", cast_to=object, body={"training_policy": {
        "max_verdict": "warn", "min_reviewed_percent": 10, "approval": "other_than_uploader"}})
    keys = [administration.post(f"/organization/projects/{project['id']}/service_accounts", cast_to=object,
                                body={"name": name}) for name in ("author", "reviewer")]
    author, reviewer = (OpenAI(base_url=whole_house.ready["base_url"], api_key=each["api_key"]["value"],  # type: ignore[index]
                               max_retries=0) for each in keys)

    version = dataset(author, "careful", alpaca(20), "careful.json")
    analysed(author, version["file_id"])
    body = {"model": BASE, "training_file": version["id"], "hyperparameters": HYPERPARAMETERS}
    with pytest.raises(BadRequestError) as refused:
        tell(author, "/fine_tuning/jobs", body)
    assert refused.value.code == "training_policy"

    place = f"/datasets/{version['dataset_id']}/versions/{version['id']}/reviews"
    review = tell(author, place, {"sampled": 5})
    until(lambda: ask(author, f"{place}/{review['id']}")["status"] != "preparing", 60, "the review is prepared")
    while (item := tell(reviewer, f"{place}/{review['id']}/claim")["item"]) is not None:
        tell(reviewer, f"{place}/{review['id']}/items/{item['id']}/decisions", {"decision": "approve"})
    tell(reviewer, f"{place}/{review['id']}/close", {"approve": True})
    job = tell(author, "/fine_tuning/jobs", body)
    until(lambda: author.fine_tuning.jobs.retrieve(job["id"]).status in ENDS, 120, "the job ends")
    assert author.fine_tuning.jobs.retrieve(job["id"]).status == "succeeded"


def test_pairs_and_tool_calls_become_training_data(client: OpenAI) -> None:
    pairs = json.dumps([{"conversations": [{"from": "human", "value": f"Say something kind about {number}."}],
                         "chosen": {"from": "gpt", "value": f"{number} is a lovely number to think about."},
                         "rejected": {"from": "gpt", "value": f"{number} is dull."}} for number in range(12)])
    preferences = dataset(client, "pairs", pairs.encode(), "pairs.json")
    assert analysed(client, preferences["file_id"])["format"] == "preference"
    preferred = ready(client, transformed(client, preferences, type="prefer"))
    assert analysed(client, preferred["file_id"])["format"] == "chat"

    tools = json.dumps([{"name": "weather", "description": "Tells the weather.", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}])
    calls = json.dumps([{"tools": tools, "conversations": [
        {"from": "human", "value": f"How is the weather in City {number}?"},
        {"from": "function_call", "value": json.dumps({"name": "weather", "arguments": {"city": f"City {number}"}})},
        {"from": "observation", "value": json.dumps({"sky": "clear"})},
        {"from": "gpt", "value": f"The sky over City {number} is clear."}]} for number in range(12)])
    called = dataset(client, "calls", calls.encode(), "calls.json")
    report = analysed(client, called["file_id"])
    assert (report["format"], report["errors"], report["tokens"]["by_role"]["call"] > 0) == ("chat", 0, True)
    for version in (preferred, called):
        job = tell(client, "/fine_tuning/jobs", {"model": BASE, "training_file": version["id"],
                                                 "hyperparameters": HYPERPARAMETERS})
        until(lambda job=job: client.fine_tuning.jobs.retrieve(job["id"]).status in ENDS, 120, "the job ends")  # type: ignore[misc]  # binds the loop's name
        assert client.fine_tuning.jobs.retrieve(job["id"]).status == "succeeded"


def test_a_pair_file_is_not_trained_supervised(client: OpenAI) -> None:
    file_id = upload(client, "chat.jsonl", chat_lines(12), "fine-tune")
    body = {"model": BASE, "training_file": file_id, "method": {"type": "dpo"}}
    preflight = tell(client, "/fine_tuning/preflights", body)
    assert preflight["verdict"] == "block"
