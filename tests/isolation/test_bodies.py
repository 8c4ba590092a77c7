"""Another tenant's ids in bodies and queries are answered as ids that do not exist; so are names of no version."""

from typing import Any

import pytest
from sqlalchemy import text

from service.kit.database import transaction
from tests.isolation.estate import Estate, possessions, unlike
from tests.isolation.routes import normal, routes
from tests.isolation.test_tenants import intruder, owner

__all__ = ["intruder", "owner"]
_FILE, _VERSION, _NUMBERED = "file_id", "version", "dataset_id"
_MODEL = "smollm2-135m-instruct"
PLACES: list[tuple[str, str, str]] = [
    *[(operation, field, kind) for operation in ("createFineTuningJob", "createPreflight")
      for field in ("training_file", "validation_file") for kind in (_FILE, _VERSION, _NUMBERED)],
    ("createFineTuningJob", "preflight", "preflight_id"), ("createPreflight", "model", "model"),
    ("createPreflight", "candidates", "model"),
    ("createDatasetVersion", "file_id", _FILE), ("createDatasetVersion", "versions", _VERSION),
    ("createDatasetVersion", "versions", _NUMBERED), ("previewDatasetSource", "file_id", _FILE),
    ("assignDatasetReviewItem", "assignee", "service_account_id"),
]
"""Where a body can name what another project has: operation, field, and what of the estate's."""


NO_NAMES = ["@", "x@", "@1", "furnished@0", "furnished@-1", "furnished@1.0", "furnished@99999999999999999999",
            "furnished@\u0661", "dsver_", "ds_x@-1", "ds_@1", "dsver_x@1", "a@b@1", "\U0001f4a9@1", "file-@1",
            "furnished@1@1", " furnished@1", "furnished", "FURNISHED@1", "furnished@01 ", "../x@1", "%@1", "x" * 256]


def naming(operation: str, field: str, name: str, own: dict[str, str]) -> dict[str, Any]:
    """A valid body of the operation by somebody who owns `own`, but for one field that holds `name`."""
    match operation:
        case "createDatasetVersion" if field == "versions":
            return {"source": {"type": "transformation", "transformation": {"type": "shuffle"}, "versions": [name]}}
        case "createDatasetVersion" | "previewDatasetSource":
            return {"source": {"type": "file", "file_id": name}}
        case "assignDatasetReviewItem":
            return {"assignee": name}
    return {"model": _MODEL, "training_file": own[_FILE], field: [name] if field == "candidates" else name}


def furnished(estate: Estate) -> dict[str, str]:
    """The ids of an estate, with a data set, a version and a tuned model that are named as real ones are."""
    client = estate.tenant.client
    dataset = client.post("/v1/datasets", json={"name": "furnished"}).json()["id"]
    source = {"type": "file", "file_id": estate.ids[_FILE]}
    version = client.post(f"/v1/datasets/{dataset}/versions", json={"source": source}).json()["id"]
    with transaction(estate.tenant.scope) as session:
        session.execute(text("update reviews set status = 'open'"))
        session.execute(text("update tuned_models set base_model = :base"), {"base": _MODEL})
    return estate.ids | {_NUMBERED: dataset, _VERSION: version}


def test_what_is_foreign_in_a_body_is_answered_like_what_is_unknown(owner: Estate, intruder: Estate) -> None:
    theirs, own = furnished(owner), furnished(intruder)
    before, wrong, idle = possessions(owner), [], []
    for operation, field, kind in PLACES:
        [route] = [route for route in routes() if route.operation == operation]
        tail = "@1" if kind == _NUMBERED else ""
        url = route.url(intruder.ids if "review_id" in route.path_parameters else own)
        names = theirs[kind], unlike(theirs[kind]), own[kind]
        answers = [intruder.tenant.client.post(url, json=naming(operation, field, name + tail, own)) for name in names]
        refused, expected, found = [(answer.status_code, normal(answer.text, name))
                                    for answer, name in zip(answers, names, strict=True)]
        if refused != expected or refused[0] not in {400, 404}:
            wrong.append((operation, field, kind, refused, expected))
        if found == expected:
            idle.append((operation, field, kind, "proves nothing", found))
    assert wrong == []
    assert idle == []
    assert possessions(owner) == before


@pytest.mark.parametrize(("operation", "query", "kind"), [
    ("listDatasetReviewItems", "assignee", "service_account_id"), ("listDatasets", "name", "dataset_id")])
def test_what_is_foreign_in_a_query_is_answered_like_what_is_unknown(owner: Estate, intruder: Estate, operation: str,
                                                                      query: str, kind: str) -> None:
    [route] = [route for route in routes() if route.operation == operation]
    real = owner.ids[kind]
    answers = [intruder.tenant.client.get(route.url(intruder.ids), params={query: each})
               for each in (real, unlike(real))]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert normal(answers[0].text, real) == normal(answers[1].text, unlike(real))
    assert answers[0].json()["data"] == []


def test_a_name_that_looks_like_a_version_and_is_none_is_refused(intruder: Estate) -> None:
    own = furnished(intruder)
    for name in NO_NAMES:
        for path in ("jobs", "preflights"):
            for field in ("training_file", "validation_file"):
                answer = intruder.tenant.client.post(f"/v1/fine_tuning/{path}", json={
                    "model": _MODEL, "training_file": own[_FILE], field: name})
                assert (answer.status_code, answer.json()["error"]["param"]) == (400, field), (name, answer.text)
        answer = intruder.tenant.client.post(f"/v1/datasets/{own[_NUMBERED]}/versions",
                                             json=naming("createDatasetVersion", "versions", name, own))
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "version_not_found"), (name, answer.text)
