"""An AWS account in this process: moto, with what AWS does and moto does not.

moto makes a second job for the same request token, gives ARNs of another form, shows results before the end, finds no
job by its ARN, moves no job along, lists no foundation models, and fails on parts of uploads that are gone. Here tokens
make one job, requests and answers are held to the service model, jobs move when they are told to, and any request can
fail before or after its effect.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from unittest.mock import patch
from urllib.parse import unquote

import botocore.exceptions
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from moto import mock_aws
from moto.bedrock.exceptions import ResourceNotFoundException
from moto.bedrock.models import BedrockBackend, ModelCustomizationJob, bedrock_backends
from moto.core.botocore_stubber import BotocoreStubber, MockRawResponse
from moto.core.exceptions import JsonRESTError

from service.credentials.operations import OpenCredential
from tests.worker.providers.bedrock.strictness import Breach, hold, need, operation
from worker.providers.bedrock.clients import open_clients
from worker.providers.bedrock.provider import Bedrock

ACCOUNT, REGION, BUCKET = "123456789012", "us-east-1", "tenant-training"
SECRET = "canary-secret-access-key"
ROLE = "arn:aws:iam::123456789012:role/bedrock-training"
NOVA, LLAMA_OLD = "amazon.nova-micro-v1:0:128k", "meta.llama3-1-8b-instruct-v1:0:128k"
KNOWN = (NOVA, LLAMA_OLD, "amazon.nova-2-lite-v1:0:256k", "meta.llama3-3-70b-instruct-v1:0:128k")
How = Literal["unreached", "reset_before", "reset_after", "timeout_after", "throttled", "500_before", "500_after",
              "denied", "garbage", "empty", "quota"]


def credential(**changes: Any) -> OpenCredential:
    options = {"region": REGION, "bucket": BUCKET, "prefix": "tuneworks/", "role_arn": ROLE,
               "access_key_id": "AKIAIOSFODNN7EXAMPLE"}
    told: dict[str, Any] = {"id": "cred_1", "provider": "bedrock", "base_url": None, "options": options,
                            "secret": SECRET, "organization_id": "org-1"}
    return OpenCredential(**(told | changes))


@dataclass
class Fault:
    operation: str
    how: How
    times: int = 1


@dataclass
class Account:
    """What stands in it, and what happens to requests."""

    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    "Names of operations, in order."
    tokens: dict[str, str] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    "Names of jobs that lists do not show yet."
    breaches: list[str] = field(default_factory=list)

    def open(self, **changes: Any) -> Bedrock:
        return Bedrock(credential(**changes))

    def s3(self) -> Any:
        return open_clients(credential())[1]

    def fail(self, operation_name: str, how: How, times: int = 1) -> None:
        self.faults.append(Fault(operation_name, how, times))

    @property
    def jobs(self) -> dict[str, Any]:
        found: dict[str, Any] = self._backend.model_customization_jobs
        return found

    @property
    def _backend(self) -> BedrockBackend:
        return bedrock_backends[ACCOUNT][REGION]

    def object(self, uri: str) -> bytes:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        body: bytes = self.s3().get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def put_output(self, name: str, path: str, body: str) -> None:
        """Write what Bedrock writes of a job when it ends."""
        job = self.jobs[name]
        bucket, _, key = job.output_data_config["s3Uri"].removeprefix("s3://").partition("/")
        short = job.job_arn.rsplit("/", 1)[-1]
        root = f"{key.rstrip('/')}/model-customization-job-{short}"
        self.s3().put_object(Bucket=bucket, Key=f"{root}/{path}", Body=body.encode())

    def request(self, stub: BotocoreStubber, name: str, request: AWSPreparedRequest) -> AWSResponse | None:
        """One request of a client, with the operation's name."""
        self.asked.append(name)
        if b"AKIAUNKNOWN" in _header(request, "Authorization"):
            body = b'{"message": "The security token included in the request is invalid."}'
            return _response(request.url, 403, body, "UnrecognizedClientException")
        fault = next((one for one in self.faults if one.operation == name and one.times > 0), None)
        if fault is not None:
            fault.times -= 1
            return self._failed(fault.how, request, lambda: self._answer(stub, name, request))
        return self._answer(stub, name, request)

    def _failed(self, how: How, request: AWSPreparedRequest, effect: Callable[[], Any]) -> AWSResponse:
        if how in {"reset_after", "timeout_after", "500_after", "garbage", "empty"}:
            effect()
        url = request.url
        errors = {
            "unreached": botocore.exceptions.EndpointConnectionError(endpoint_url=url),
            "reset_before": botocore.exceptions.ConnectionClosedError(endpoint_url=url),
            "reset_after": botocore.exceptions.ConnectionClosedError(endpoint_url=url),
            "timeout_after": botocore.exceptions.ReadTimeoutError(endpoint_url=url),
        }
        if how in errors:
            raise errors[how]
        status, code, body = {
            "throttled": (429, "ThrottlingException", None), "500_before": (500, "InternalServerException", None),
            "500_after": (500, "InternalServerException", None), "denied": (403, "AccessDeniedException", None),
            "quota": (400, "ServiceQuotaExceededException", None), "garbage": (201, "", b'{"jobArn": [17, "<html>'),
            "empty": (201, "", b"{}"),
        }[how]
        return _response(url, status, body or json.dumps({"message": "as told"}).encode(), code)

    def _answer(self, stub: BotocoreStubber, name: str, request: AWSPreparedRequest) -> AWSResponse | None:
        if name == "ListFoundationModels":
            told = {"modelSummaries": [_foundation_model(model) for model in KNOWN]}
            return _response(request.url, 200, json.dumps(told).encode())
        if name == "CreateModelCustomizationJob":
            return self._create(stub, request)
        return _plain(stub, request)

    def _create(self, stub: BotocoreStubber, request: AWSPreparedRequest) -> AWSResponse | None:
        told = json.loads(request.body)
        try:
            hold(told, operation("CreateModelCustomizationJob").input_shape)
            need(told["baseModelIdentifier"] in {*KNOWN, *self._backend.custom_models}, "base model", "unknown")
        except Breach as breach:
            self.breaches.append(str(breach))
            return _response(request.url, 400, json.dumps({"message": str(breach)}).encode(), "ValidationException")
        token = told["clientRequestToken"]
        if token in self.tokens:
            return _response(request.url, 201, json.dumps({"jobArn": self.tokens[token]}).encode())
        if told["jobName"] in self.jobs:
            return _response(request.url, 409, b'{"message": "The job name is in use."}', "ConflictException")
        answer = _plain(stub, request)
        if told["jobName"] in self.jobs:
            self.tokens[token] = self.jobs[told["jobName"]].job_arn
        return answer


def _header(request: AWSPreparedRequest, name: str) -> bytes:
    value = request.headers.get(name, b"")
    return value if isinstance(value, bytes) else str(value).encode()


def _plain(stub: BotocoreStubber, request: AWSPreparedRequest) -> AWSResponse | None:
    try:
        answer = stub.process_request(request)
    except KeyError:  # what moto says of a part of an upload that it does not know
        return _response(request.url, 404, b"<Error><Code>NoSuchUpload</Code><Message>gone</Message></Error>")
    return _response(request.url, answer[0], answer[2], headers=answer[1]) if answer is not None else None


def _response(url: str, status: int, body: Any, code: str = "", headers: Any = None) -> AWSResponse:
    told = {"content-type": "application/json", **({"x-amzn-errortype": code} if code else {})}
    return AWSResponse(url, status, headers if headers is not None else told, MockRawResponse(body))


def _foundation_model(model: str) -> dict[str, Any]:
    ends = {"endOfLifeTime": "2027-06-30T00:00:00Z"} if model == LLAMA_OLD else {}
    return {"modelArn": f"arn:aws:bedrock:{REGION}::foundation-model/{model}", "modelId": model,
            "providerName": "Amazon", "modelLifecycle": {"status": "ACTIVE", **ends}}


class JobHasEnded(JsonRESTError):
    code = 409


class _Job(ModelCustomizationJob):
    """With ARNs of AWS's form, and with results at the end only."""

    def __init__(self, *told: Any, **named: Any) -> None:
        super().__init__(*told, **named)
        short = f"{abs(hash(self.job_name)):x}"[:12].rjust(12, "0")
        base = self.base_model_identifier
        region = f"arn:aws:bedrock:{self.region_name}"
        self.job_arn = f"{region}:{self.account_id}:model-customization-job/{base}/{short}"
        self.output_model_name = self.custom_model_name
        self.output_model_arn = f"{region}:{self.account_id}:custom-model/{base}/{short}"
        self.failure_message = ""
        self.details: dict[str, Any] = {}

    def to_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = super().to_dict()
        if self.details:
            told["statusDetails"] = self.details
        if self.status not in {"Completed", "Failed", "Stopped"}:
            told.pop("endTime")
        if self.status != "Completed":
            for name in ("outputModelArn", "trainingMetrics", "validationMetrics"):
                told.pop(name, None)
        told.pop("outputModelKmsKeyArn", None)
        told.setdefault("validationDataConfig", {"validators": []})
        times = {name: f"{told[name].replace(' ', 'T')}Z" for name in ("creationTime", "lastModifiedTime", "endTime")
                 if name in told}
        hold(told | times, operation("GetModelCustomizationJob").output_shape)
        return told | times


@contextmanager
def account() -> Iterator[Account]:
    """A fresh account with its bucket."""
    made = Account()

    def call(stub: BotocoreStubber, event_name: str, request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        return made.request(stub, event_name.rsplit(".", 1)[-1], request) if stub.enabled else None

    def find(backend: BedrockBackend, job_identifier: str) -> ModelCustomizationJob:
        wanted = unquote(job_identifier)
        for job in backend.model_customization_jobs.values():
            if wanted in {job.job_name, job.job_arn, job.job_arn.rsplit("/", 1)[-1]}:
                return job
        raise ResourceNotFoundException(f"Model customization job {wanted} not found")

    def stop(backend: BedrockBackend, job_identifier: str) -> None:
        job = find(backend, job_identifier)
        if job.status != "InProgress":
            raise JobHasEnded("ConflictException", "The job is not in progress.")
        job.status = "Stopping"

    listed = BedrockBackend.list_model_customization_jobs

    def show(backend: BedrockBackend, *told: Any, **asked: Any) -> Any:
        found, token = listed(backend, *told, **asked)
        return [job for job in found if job.job_name not in made.hidden], token

    with (mock_aws(), patch.object(BotocoreStubber, "__call__", call),
          patch("moto.bedrock.models.ModelCustomizationJob", _Job),
          patch.object(BedrockBackend, "get_model_customization_job", find),
          patch.object(BedrockBackend, "stop_model_customization_job", stop),
          patch.object(BedrockBackend, "list_model_customization_jobs", show)):
        made.s3().create_bucket(Bucket=BUCKET)
        made.asked.clear()
        yield made
