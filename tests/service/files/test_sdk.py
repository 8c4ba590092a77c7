"""The official SDK drives files and uploads, over a real socket."""

import hashlib
from pathlib import Path

import pytest
from openai import APIStatusError, BadRequestError, NotFoundError, OpenAI

from service.settings import settings
from tests.fixtures.api import Tenant
from tests.fixtures.server import MakeSDK
from tests.service.files.chats import lines
from tests.worker.tasks.running import work_off

CHAT = lines(12)


@pytest.fixture
def client(tenant: Tenant, sdk: MakeSDK) -> OpenAI:
    return sdk(tenant.key)


def test_a_file_from_an_open_handle_is_processed(tenant: Tenant, client: OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(CHAT)
    with path.open("rb") as handle:
        file = client.files.create(file=handle, purpose="fine-tune",
                                   expires_after={"anchor": "created_at", "seconds": 3600})
    assert (file.filename, file.bytes, file.status) == ("train.jsonl", len(CHAT), "uploaded")
    assert file.expires_at == file.created_at + 3600
    work_off(tenant)
    assert client.files.wait_for_processing(file.id, poll_interval=0.1).status == "processed"
    assert client.files.content(file.id).read() == CHAT
    assert client.files.delete(file.id).deleted
    with pytest.raises(NotFoundError, match=f"No such File object: {file.id}"):
        client.files.retrieve(file.id)


def test_pages_follow_one_another(client: OpenAI) -> None:
    made = [client.files.create(file=("f", CHAT), purpose="batch").id for _ in range(5)]
    assert [file.id for file in client.files.list(limit=2)] == made[::-1]
    assert [file.id for file in client.files.list(limit=2, order="asc", purpose="batch")] == made


def test_a_refusal_arrives_in_the_middle_of_a_large_body(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match="Line 1 is not a dictionary"):
        client.files.create(file=("f", b"no json\n" + b"x" * 30_000_000), purpose="fine-tune")


def test_a_large_file_goes_up_in_parts(tenant: Tenant, client: OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(CHAT)
    upload = client.uploads.upload_file_chunked(file=path, mime_type="text/jsonl", purpose="fine-tune", part_size=500,
                                                md5=hashlib.md5(CHAT).hexdigest())
    assert upload.status == "completed"
    assert upload.file is not None
    work_off(tenant)
    assert client.files.wait_for_processing(upload.file.id, poll_interval=0.1).status == "processed"
    assert client.files.content(upload.file.id).read() == CHAT


def test_a_file_over_the_limit_is_refused_over_a_real_socket(client: OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEWORKS_MAX_FILE_BYTES", "1000000")
    settings.cache_clear()
    with pytest.raises(APIStatusError, match="The file is larger than 1000000 bytes") as refused:
        client.files.create(file=("f", b"x" * 50_000_000), purpose="user_data")
    assert refused.value.status_code == 413
    monkeypatch.undo()
    settings.cache_clear()
