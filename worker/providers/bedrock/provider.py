"""Bedrock as a remote: one account and region, reached with one credential."""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from service.catalog.bedrock_models import Family, family_of
from service.credentials.operations import OpenCredential
from service.jobs.plans import RemoteOrder
from worker.providers.bedrock import journal, names, reading
from worker.providers.bedrock.clients import open_clients
from worker.providers.bedrock.failures import translating
from worker.providers.bedrock.families import hyperparameters
from worker.providers.bedrock.staging import Staging
from worker.providers.remote import (
    AccessRefused,
    Ambiguous,
    Gone,
    Page,
    Refused,
    RemoteCheckpoint,
    RemoteEvent,
    RemoteFile,
    RemoteJob,
    RemoteModel,
    RemoteState,
    Source,
    Unavailable,
    UploadProgress,
)

_MOST_PAGES = 20
_DEEPEST_LINEAGE = 4
"""So many trainings one upon the other are looked through for the base they began with."""
_PREPARED_SECONDS = 15.0
"""Files that took longer to prepare are used by the next try: little time may pass between a caller's note that it is
about to ask and the asking."""
_LARGEST_METRICS = 64 * 1024 * 1024
_LAST = datetime.max.replace(tzinfo=UTC)


class Bedrock:
    """Jobs are known by their ARN, files by their s3:// address, tuned models by their name."""

    def __init__(self, credential: OpenCredential) -> None:
        self._bedrock, self._s3 = open_clients(credential)
        options = credential.options
        self._role = str(options.get("role_arn") or "")
        self._staging = Staging(self._s3, str(options.get("bucket") or ""), str(options.get("prefix") or ""))

    def close(self) -> None:
        for client in (self._bedrock, self._s3):
            client.close()

    def check(self) -> tuple[RemoteModel, ...]:
        """The models that can be fine-tuned; and the bucket is there and may be entered."""
        models = self._foundation_models()
        try:
            self._ask("looking at the bucket", self._s3.head_bucket, Bucket=self._staging.bucket)
        except (Gone, Refused) as wrong:
            raise AccessRefused(f"The bucket '{self._staging.bucket}' does not exist, or not in this region."
                                ) from wrong
        return models

    def upload(self, source: Source, begun: UploadProgress) -> Iterator[UploadProgress]:
        return self._staging.upload(source, begun)

    def create(self, order: RemoteOrder) -> RemoteJob:
        """Put the files into the model's form, which makes nothing that costs, then ask for the job once."""
        since = time.monotonic()
        request = self._request(order)
        if time.monotonic() - since > _PREPARED_SECONDS:
            raise Unavailable("The files are in the model's form now.", 0.0)
        try:
            answer = self._ask("creating a job", self._bedrock.create_model_customization_job, makes=True, **request)
        except Gone as missing:
            raise Refused("not_found", str(missing)) from None
        arn = reading.text(answer.get("jobArn"), 1_011)
        if not arn:
            raise Ambiguous("creating a job: Bedrock's answer does not name it.")
        return RemoteJob(id=arn, status="InProgress", state=RemoteState.WAITING, key=order.key, house=order.house)

    def _request(self, order: RemoteOrder) -> dict[str, Any]:
        name, family = names.job_name(order.key), self._family(order.model)
        settings = hyperparameters(family, order.method, has_validation=order.validation_file is not None)
        tags = names.tags(order)
        request = {
            "jobName": name, "clientRequestToken": name, "customModelName": names.model_name(order.key, order.suffix),
            "roleArn": self._role, "baseModelIdentifier": order.model, "customizationType": "FINE_TUNING",
            "hyperParameters": settings, "jobTags": tags, "customModelTags": tags,
            "outputDataConfig": {"s3Uri": self._staging.at("outputs", name, "").uri},
        }
        training = self._staging.in_form(order.training_file, family, "training_file")
        request["trainingDataConfig"] = {"s3Uri": training}
        if order.validation_file is not None:
            validation = self._staging.in_form(order.validation_file, family, "validation_file")
            request["validationDataConfig"] = {"validators": [{"s3Uri": validation}]}
        return request

    def _family(self, model: str) -> Family:
        """Of a base model by its name, of a custom model by what it was trained on."""
        name = model
        for _ in range(_DEEPEST_LINEAGE):
            family = family_of(name)
            if family is not None:
                return family
            try:
                told = self._ask("looking at a model", self._bedrock.get_custom_model, modelIdentifier=name)
            except (Gone, Refused):
                break
            name = reading.text(told.get("baseModelArn"), 2_048)
        raise Refused("model_not_available", f"The model '{model[:200]}' cannot be fine-tuned at Bedrock from here.",
                      "model")

    def find(self, key: str) -> tuple[RemoteJob, ...]:
        """By name, which is the key; names are unique, so there is one at most."""
        wanted, found, after = names.job_name(key), [], None
        for _ in range(_MOST_PAGES):
            told, after = self._listed(nameContains=wanted, nextToken=after)
            found += [job for one in told if one.get("jobName") == wanted and (job := reading.job(one))]
            if after is None:
                break
        return tuple(sorted(found, key=lambda job: job.created_at or _LAST))

    def jobs(self, *, after: str | None = None, limit: int = 100) -> Page[RemoteJob]:
        told, token = self._listed(sortBy="CreationTime", sortOrder="Descending", maxResults=min(max(limit, 1), 1000),
                                   nextToken=after)
        found = (reading.job(one, house=self._house(one)) for one in told)
        return Page(tuple(job for job in found if job is not None), token)

    def _listed(self, **asked: Any) -> tuple[list[Mapping[str, Any]], str | None]:
        answer = self._ask("listing jobs", self._bedrock.list_model_customization_jobs, **_given(asked))
        return _items(answer, "modelCustomizationJobSummaries"), _token(answer.get("nextToken"))

    def _house(self, told: Mapping[str, Any]) -> str | None:
        """Lists show no tags: they are asked for where it matters, of jobs that bear a key and may still cost."""
        if names.key_of(told.get("jobName")) is None or journal.has_ended(told):
            return None
        answer = self._ask("reading a job's tags", self._bedrock.list_tags_for_resource, resourceARN=told.get("jobArn"))
        tags = {tag.get("key"): tag.get("value") for tag in _items(answer, "tags")}
        return reading.text(tags.get(names.HOUSE_TAG), 256) or None

    def retrieve(self, job_id: str) -> RemoteJob:
        job = reading.job(self._told(job_id))
        if job is None:
            raise Unavailable("looking at a job: Bedrock's answer does not name it.")
        return job

    def _told(self, job_id: str) -> dict[str, Any]:
        return self._ask("looking at a job", self._bedrock.get_model_customization_job, jobIdentifier=job_id)

    def events(self, job_id: str, *, until: str | None) -> tuple[RemoteEvent, ...]:
        told = self._told(job_id)
        found = list(journal.events(told))
        if journal.has_ended(told) and journal.after(found, until):
            training, validation = self._metrics(told)
            found += journal.steps(told, training, validation)
        return journal.after(found, until)

    def _metrics(self, told: Mapping[str, Any]) -> tuple[Iterator[bytes], Iterator[bytes]]:
        places = [*reading.result_files(told), None, None]
        training, validation = (self._if_there(one) for one in places[:2])
        return training, validation

    def _if_there(self, one: names.Place | None) -> Iterator[bytes]:
        """A job that failed early has written none, and a role may write what this credential may not read."""
        if one is None:
            return
        try:
            yield from islice(self._staging.content(one), _LARGEST_METRICS // (1024 * 1024))
        except (Gone, AccessRefused):
            return

    def checkpoints(self, job_id: str) -> tuple[RemoteCheckpoint, ...]:  # noqa: ARG002 - Bedrock keeps none
        return ()

    def cancel(self, job_id: str) -> RemoteJob:
        self._ask("stopping a job", self._bedrock.stop_model_customization_job, jobIdentifier=job_id)
        return RemoteJob(id=job_id, status="Stopping", state=RemoteState.RUNNING)

    def pause(self, job_id: str) -> RemoteJob:  # noqa: ARG002 - it can no job's
        raise Refused("pause_not_supported", "Bedrock cannot pause a job; it can be cancelled.")

    def resume(self, job_id: str) -> RemoteJob:  # noqa: ARG002 - it can no job's
        raise Refused("resume_not_supported", "Bedrock cannot pause a job, nor resume one.")

    def files(self, *, after: str | None = None, limit: int = 1000) -> Page[RemoteFile]:
        bucket = self._staging.bucket
        answer = self._ask("listing files", self._s3.list_objects_v2, Bucket=bucket,
                           Prefix=self._staging.at("files", "").key, MaxKeys=min(max(limit, 1), 1000),
                           **_given({"ContinuationToken": after}))
        found = (reading.stored_file(bucket, one) for one in _items(answer, "Contents"))
        return Page(tuple(file for file in found if file is not None), _token(answer.get("NextContinuationToken")))

    def content(self, file_id: str) -> Iterator[bytes]:
        return self._staging.content(_known(file_id))

    def delete_file(self, file_id: str) -> None:
        known = _known(file_id)
        self._ask("deleting a file", self._s3.delete_object, Bucket=known.bucket, Key=known.key)

    def models(self) -> tuple[RemoteModel, ...]:
        """Those that can be fine-tuned, then the account's own."""
        found, after = list(self._foundation_models()), None
        for _ in range(_MOST_PAGES):
            answer = self._ask("listing models", self._bedrock.list_custom_models, **_given({"nextToken": after}))
            found += [model for one in _items(answer, "modelSummaries") if (model := reading.custom_model(one))]
            after = _token(answer.get("nextToken"))
            if after is None:
                break
        return tuple(found)

    def _foundation_models(self) -> tuple[RemoteModel, ...]:
        answer = self._ask("listing models", self._bedrock.list_foundation_models, byCustomizationType="FINE_TUNING")
        found = (reading.foundation_model(one) for one in _items(answer, "modelSummaries"))
        return tuple(model for model in found if model is not None)

    @staticmethod
    def _ask(doing: str, call: Callable[..., Any], *, makes: bool = False, **told: Any) -> dict[str, Any]:
        with translating(doing, makes=makes):
            answer = call(**told)
        return answer if isinstance(answer, dict) else {}


def _known(file_id: str) -> names.Place:
    found = names.place(file_id)
    if found is None:
        raise Gone(f"'{file_id[:100]}' is no address of a file in S3.")
    return found


def _given(asked: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if value is not None}


def _items(answer: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = answer.get(name)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _token(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 2_048 else None
