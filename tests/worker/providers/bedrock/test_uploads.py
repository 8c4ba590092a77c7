"""Files go to the bucket as they are, in bounded memory, and on from where they were left."""

import hashlib
import tracemalloc
from collections.abc import Iterator

import pytest

from service.catalog.bedrock_models import FAMILIES
from tests.worker.providers.bedrock.account import BUCKET, Account
from tests.worker.providers.bedrock.orders import Bytes, chat, order, uploaded
from worker.providers.bedrock import lines, staging
from worker.providers.remote import Refused, Unavailable, UploadProgress

PART = 5 * 1024 * 1024
"""The least that S3 takes of a part that is not the last."""
WIDE = chat(700).replace(b"Number", b"N" * 9_000)
"""More than one part."""


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "PART", PART)


def body(size: int) -> bytes:
    block = hashlib.sha256(b"seed").digest() * 32
    return (block * (size // len(block) + 1))[:size]


def test_a_small_file_is_stored_byte_for_byte_under_a_name_that_bedrock_takes(aws: Account) -> None:
    remote = aws.open()
    steps = list(remote.upload(Bytes(b"\xef\xbb\xbf{}\r\n", "Über data/äb?.JSONL"), UploadProgress()))
    assert len(steps) == 1
    uri = str(steps[0].file_id)
    assert aws.object(uri) == b"\xef\xbb\xbf{}\r\n"
    assert uri.startswith(f"s3://{BUCKET}/tuneworks/files/")
    assert uri.endswith("/ber-data-b-.JSONL.jsonl")


def test_an_empty_file_is_a_file(aws: Account) -> None:
    *_, last = aws.open().upload(Bytes(b""), UploadProgress())
    assert aws.object(str(last.file_id)) == b""


@pytest.mark.usefixtures("small_parts")
def test_a_large_file_goes_by_parts_each_recorded_before_the_next(aws: Account) -> None:
    source = Bytes(body(2 * PART + 1234))
    steps = list(aws.open().upload(source, UploadProgress()))
    assert [len(step.part_ids) for step in steps] == [0, 1, 2, 3, 3]
    assert [step.file_id is None for step in steps] == [True] * 4 + [False]
    assert aws.object(str(steps[-1].file_id)) == source.body


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("after", range(5))
def test_an_upload_goes_on_after_any_record_and_sends_no_part_twice(aws: Account, after: int) -> None:
    source = Bytes(body(2 * PART + 1234))
    begun = list(zip(range(after), aws.open().upload(source, UploadProgress()), strict=False))
    progress = begun[-1][1] if begun else UploadProgress()
    source.read_bytes, before = 0, aws.asked.count("UploadPart")
    *_, last = aws.open().upload(source, progress)
    assert aws.object(str(last.file_id)) == source.body
    assert aws.asked.count("UploadPart") - before == 3 - len(progress.part_ids)
    assert source.read_bytes == max(0, source.size - len(progress.part_ids) * PART)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("how", ["reset_before", "reset_after"])
def test_a_completion_whose_answer_was_lost_is_completed_once(aws: Account, how: str) -> None:
    source = Bytes(body(PART + 1))
    aws.fail("CompleteMultipartUpload", how)  # type: ignore[arg-type]
    sending = aws.open().upload(source, UploadProgress())
    steps = [next(sending) for _ in range(3)]
    with pytest.raises(Unavailable):
        next(sending)
    sent = aws.asked.count("UploadPart")
    *_, last = aws.open().upload(source, steps[-1])
    assert aws.object(str(last.file_id)) == source.body
    assert aws.asked.count("UploadPart") == sent


@pytest.mark.usefixtures("small_parts")
def test_an_upload_that_is_gone_there_begins_anew(aws: Account) -> None:
    source = Bytes(body(PART + 1))
    remote = aws.open()
    begun = next(remote.upload(source, UploadProgress()))
    _, upload_id, uri = str(begun.upload_id).split("|")
    aws.s3().abort_multipart_upload(Bucket=BUCKET, Key=uri.split("/", 3)[3], UploadId=upload_id)
    steps = list(remote.upload(source, begun))
    assert steps[0] == UploadProgress()
    assert aws.object(str(steps[-1].file_id)) == source.body


def test_an_upload_in_parts_of_another_size_begins_anew(aws: Account) -> None:
    *_, last = aws.open().upload(Bytes(b"{}\n"), UploadProgress("999|x|s3://bucket-x/y", ("etag",)))
    assert aws.object(str(last.file_id)) == b"{}\n"


def test_what_is_whole_already_is_not_sent_again(aws: Account) -> None:
    remote = aws.open()
    done = UploadProgress(file_id="s3://tenant-training/there")
    assert list(remote.upload(Bytes(b"x"), done)) == []
    assert aws.asked == []


def test_a_file_is_turned_once_for_all_jobs_of_a_family(aws: Account) -> None:
    remote = aws.open()
    file = uploaded(remote, chat())
    first, second = (f"proj-a-{n:032x}" for n in (1, 2))
    remote.create(order(file, key=first))
    aws.asked.clear()
    remote.create(order(file, key=second, validation_file=file))
    assert "PutObject" not in aws.asked
    assert "GetObject" not in aws.asked
    staged = aws.jobs[first].training_data_config["s3Uri"]
    assert aws.jobs[second].training_data_config["s3Uri"] == staged
    assert aws.jobs[second].validation_data_config == {"validators": [{"s3Uri": staged}]}
    assert aws.object(staged).startswith(
        b'{"schemaVersion":"bedrock-conversation-2024","system":[{"text":"Be brief."}]')


def test_prompts_and_completions_are_trained_on_as_they_lie(aws: Account) -> None:
    remote = aws.open()
    file = uploaded(remote, b'{"prompt": "a", "completion": "b"}\n')
    remote.create(order(file, model="meta.llama3-1-8b-instruct-v1:0:128k"))
    (job,) = aws.jobs.values()
    assert job.training_data_config == {"s3Uri": file}


@pytest.mark.usefixtures("small_parts")
def test_a_bad_line_in_the_last_part_leaves_no_file_and_no_upload(aws: Account) -> None:
    remote = aws.open()
    for body_of_it in (chat(700), WIDE):
        with pytest.raises(Refused, match="Line 701 "):
            remote.create(order(uploaded(remote, body_of_it + b'{"messages": []}\n')))
    s3 = aws.s3()
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix="tuneworks/staged/")


@pytest.mark.usefixtures("small_parts")
def test_turning_a_file_of_many_parts_gives_every_line(aws: Account) -> None:
    remote = aws.open()
    remote.create(order(uploaded(remote, WIDE)))
    (job,) = aws.jobs.values()
    told = aws.object(job.training_data_config["s3Uri"]).splitlines()
    assert len(told) == 700
    assert b"It is 699" in told[-1]


def test_memory_does_not_grow_with_the_file_that_is_turned() -> None:
    line = chat(1).replace(b"Be brief.", b"y" * 10_000)

    def many(count: int) -> Iterator[bytes]:
        yield from (line for _ in range(count))

    def peak(count: int) -> int:
        tracemalloc.start()
        for _ in staging.regrouped(lines.converted(many(count), FAMILIES["amazon.nova-micro"], "x"), 100_000):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(20)
    assert peak(1_000) < 2 * peak(100)

