"""Answers and surroundings that mean no good: nothing crashes, nothing secret is told, nobody else pays."""

import json
import random
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.worker.providers.bedrock.account import SECRET, Account, credential
from tests.worker.providers.bedrock.orders import KEY, chat, order, uploaded
from worker.providers.bedrock import journal, reading
from worker.providers.bedrock.clients import open_clients
from worker.providers.bedrock.failures import translated
from worker.providers.bedrock.provider import Bedrock
from worker.providers.opening import open_remote
from worker.providers.remote import AccessRefused, Refused, RemoteError, Unavailable

ODD: tuple[Any, ...] = (None, True, -1, 10**400, float("nan"), float("inf"), "", "x" * 100_000, "\x00\ud800", [],
                        {}, [[]], {"status": 7}, datetime.min, datetime.max,  # noqa: DTZ901 - naive ones are odd too
                        b"bytes", ["s3Uri"], {"s3Uri": 5})
NAMES = ("jobArn", "jobName", "status", "failureMessage", "creationTime", "endTime", "outputModelName", "baseModelArn",
         "hyperParameters", "outputDataConfig", "validationDataConfig", "statusDetails", "lastModifiedTime", "new")


def test_no_answer_about_a_job_can_crash_its_reader(seed: int) -> None:
    chosen = random.Random(seed)
    for _ in range(5_000):
        told = {name: chosen.choice(ODD) for name in NAMES if chosen.random() < 0.8}
        told["status"] = chosen.choice((*ODD, "Completed", "Failed", "InProgress"))
        job = reading.job(told)
        if job is not None:
            stored = json.dumps(job.body, allow_nan=False)
            assert "\\u0000" not in stored
            assert "\\ud800" not in stored
            json.dumps([job.hyperparameters, job.error, job.result_files], allow_nan=False)
        lines = list(journal.events(told))
        assert journal.after(lines, "nonsense") == tuple(sorted(lines, key=lambda line: line.id))


@pytest.mark.parametrize("file", [
    b"", b"\x00\xff\xfe", b"step_number\n" * 10, b"<html>", b'"' * 300_000, b"step_number,training_loss\n1e400,nan\n",
    b"step_number,training_loss\n-1,2\n99999999999999999999,1\n,\nx,y\n1", b"a" * 300_000 + b"\n1,2\n",
])
def test_no_metrics_file_can_crash_its_reader(file: bytes) -> None:
    for line in journal.steps({"jobArn": "arn/x"}, [file], [file]):
        json.dumps(line.data, allow_nan=False)


def test_a_metrics_file_of_a_million_steps_is_cut() -> None:
    rows = b"step_number,training_loss\n" + b"".join(b"%d,1.5\n" % n for n in range(20_000))
    assert len(list(journal.steps({}, [rows], []))) == journal.MOST_STEPS


@pytest.mark.parametrize("how", ["garbage", "empty", "reset_after"])
def test_answers_that_cannot_be_read_are_the_seams_errors_everywhere(aws: Account, how: Any) -> None:
    remote = aws.open()
    made = remote.create(order(uploaded(remote, chat())))
    asks: dict[str, Callable[[], Any]] = {
        "GetModelCustomizationJob": lambda: remote.retrieve(made.id), "ListModelCustomizationJobs": remote.jobs,
        "ListFoundationModels": remote.check, "ListObjectsV2": remote.files,
        "StopModelCustomizationJob": lambda: remote.cancel(made.id)}
    for operation, ask in asks.items():
        aws.fail(operation, how)
        try:
            ask()
        except RemoteError as wrong:
            assert SECRET not in str(wrong)  # noqa: PT017 - some of them may as well answer


def test_whoever_runs_the_worker_does_not_pay_for_its_tenants(aws: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bearer token of the house in the environment would take the place of the tenant's own signature."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "house-token")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAHOUSEHOUSEHOUSE1")
    bedrock, _ = open_clients(credential())
    sent: list[str] = []
    bedrock.meta.events.register_first("before-send.*", lambda request, **_: sent.append(_text(request.headers)))
    bedrock.list_custom_models()
    assert "AKIAIOSFODNN7EXAMPLE" in sent[0]
    assert "house-token" not in sent[0]
    assert "AKIAHOUSE" not in sent[0]


def _text(headers: Any) -> str:
    value = headers["Authorization"]
    return value.decode() if isinstance(value, bytes) else str(value)


@pytest.mark.usefixtures("aws")
def test_profiles_endpoints_and_proxies_of_the_machine_do_not_reach_a_tenants_clients(
        monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"AWS_PROFILE": "nobody", "AWS_ENDPOINT_URL": "https://elsewhere.example",
                        "AWS_ENDPOINT_URL_S3": "https://elsewhere.example", "HTTPS_PROXY": "http://proxy.example:1",
                        "AWS_DEFAULT_REGION": "eu-west-1", "AWS_MAX_ATTEMPTS": "7"}.items():
        monkeypatch.setenv(name, value)
    for client in open_clients(credential()):
        assert "elsewhere" not in client.meta.endpoint_url
        assert client.meta.region_name == "us-east-1"
        assert client.meta.config.retries["total_max_attempts"] == 1
        assert client._endpoint.http_session._proxy_config.proxy_url_for("https://s3.amazonaws.com") is None


@pytest.mark.parametrize("region", ["us-east-1.evil.example/", "a b", "us-east-1#", "x" * 300, "@evil.example"])
def test_a_region_cannot_lead_to_another_host(region: str) -> None:
    options = credential().options | {"region": region}
    with pytest.raises((Refused, Unavailable)):
        Bedrock(credential(options=options))


def test_a_refused_signature_does_not_repeat_what_was_signed() -> None:
    told = "The canonical string should have been x-amz-security-token:canary-token"
    wrong = ClientError({"Error": {"Code": "SignatureDoesNotMatch", "Message": told},
                         "ResponseMetadata": {"HTTPStatusCode": 403}}, "GetObject")
    assert str(translated(wrong, "reading")) == "reading: AWS refuses the credential (SignatureDoesNotMatch)."
    assert isinstance(translated(wrong, "reading"), AccessRefused)


def test_secrets_are_in_no_representation(aws: Account) -> None:
    remote = aws.open(session_token="canary-session-token")
    for shown in (repr(remote), str(vars(remote)), repr(credential(session_token="canary-session-token"))):
        assert "canary" not in shown


def test_a_missing_option_is_said(aws: Account) -> None:
    with pytest.raises((Refused, Unavailable)):
        aws.open(options={})
    assert KEY not in aws.jobs


@pytest.mark.parametrize(("asked", "patience"), [("7", 7.0), ("nan", None), ("-3", 0.0), ("1e9", 3600.0),
                                                 ("soon", None)])
def test_patience_asked_for_is_bounded(asked: str, patience: float | None) -> None:
    wrong = ClientError({"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {
        "HTTPStatusCode": 429, "HTTPHeaders": {"retry-after": asked}}}, "ListModelCustomizationJobs")
    told = translated(wrong, "listing")
    assert isinstance(told, Unavailable)
    assert told.retry_after == patience


def test_a_base_url_is_not_followed_unless_the_house_allows_private_addresses(aws: Account) -> None:
    with pytest.raises(Unavailable, match="TUNEWORKS_REMOTE_ALLOW_PRIVATE"):
        open_remote(credential(base_url="https://169.254.169.254"))
    open_remote(credential()).close()
    assert aws.asked == []
