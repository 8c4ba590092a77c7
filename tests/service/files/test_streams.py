"""Bodies that break off, stall, or are large: nothing is stored half, and memory does not grow with the file."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest

from service.kit.storage import storage
from service.settings import MiB, settings
from tests.fixtures.api import Tenant

_HEAD = (b'--B\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
         b'--B\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n')
_TAIL = b"\r\n--B--\r\n"
_BLOCK = b"x" * MiB


def staged(tenant: Tenant) -> list[str]:
    """Every file of the tenant in the store's directory, also those that are being written."""
    root = settings().storage_url.removeprefix("file://")
    found = subprocess.run(["find", root, "-type", "f", "-path", f"*{tenant.project_id}*"], check=True,
                           capture_output=True, text=True)
    return found.stdout.split()


def wait_for(condition: Iterator[bool]) -> None:
    for _ in range(200):
        if next(condition):
            return
        time.sleep(0.05)
    pytest.fail("it did not happen within 10 s")


def begin(url: str, tenant: Tenant, data: bytes) -> socket.socket:
    """Open a request that announces more than it sends."""
    address = urlsplit(url)
    assert address.hostname is not None
    connection = socket.create_connection((address.hostname, address.port or 80))
    connection.sendall(
        b"POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + tenant.key.encode() +
        b"\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: 400000000\r\n\r\n" + _HEAD + data)
    return connection


def test_a_client_that_goes_away_leaves_nothing(tenant: Tenant, live_api: str) -> None:
    connection = begin(live_api, tenant, _BLOCK * 20)
    wait_for(bool(staged(tenant)) for _ in iter(int, 1))
    connection.close()
    wait_for(not staged(tenant) for _ in iter(int, 1))
    assert tenant.client.get("/v1/files").json()["data"] == []


def test_a_client_that_stalls_is_cut_off_and_leaves_nothing(tenant: Tenant, live_api: str,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEWORKS_BODY_TIMEOUT_SECONDS", "0.5")
    settings.cache_clear()
    with begin(live_api, tenant, _BLOCK * 20) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")
    monkeypatch.undo()
    settings.cache_clear()
    assert staged(tenant) == []


@pytest.fixture
def server(tenant: Tenant) -> Iterator[tuple[str, psutil.Process]]:
    """The API as a process of its own, so that its memory can be told from ours."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--factory", "service.app:create_app", "--port", str(port),
               "--log-level", "warning"]
    with subprocess.Popen(command) as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(answers(url) for _ in iter(int, 1))
        yield url, psutil.Process(process.pid)
        process.terminate()


def answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/v1/nothing").status_code == 404
    except httpx2.TransportError:
        return False


def test_callers_who_do_not_read_their_download_hold_little(tenant: Tenant, server: tuple[str, psutil.Process]) -> None:
    url, process = server
    with httpx2.Client(base_url=url, headers={"authorization": f"Bearer {tenant.key}"}) as client:
        file_id = client.post("/v1/files", content=_HEAD + _BLOCK * 30 + _TAIL,
                              headers={"content-type": "multipart/form-data; boundary=B"}).json()["id"]
    before, address = process.memory_info().rss, urlsplit(url)
    with ExitStack() as connections:
        for _ in range(20):
            connection = connections.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect((address.hostname, address.port))
            connection.sendall(f"GET /v1/files/{file_id}/content HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer"
                               f" {tenant.key}\r\n\r\n".encode())
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
        time.sleep(0.5)  # whatever is read ahead is read by now
        assert process.memory_info().rss - before < 60 * MiB


def test_memory_does_not_grow_with_the_file(tenant: Tenant, server: tuple[str, psutil.Process]) -> None:
    url, process = server
    with httpx2.Client(base_url=url, headers={"authorization": f"Bearer {tenant.key}"}, timeout=120) as client:
        def send(blocks: int) -> tuple[str, int]:
            def body() -> Iterator[bytes]:
                yield _HEAD
                for _ in range(blocks):
                    yield _BLOCK
                yield _TAIL
            answer = client.post("/v1/files", content=body(),
                                 headers={"content-type": "multipart/form-data; boundary=B"})
            assert answer.status_code == 200, answer.text
            return answer.json()["id"], process.memory_info().rss

        _, before = send(1)
        file_id, after_upload = send(200)
        assert after_upload - before < 60 * MiB
        assert storage().size(f"projects/{tenant.project_id}/files/{file_id}") == 200 * MiB
        with client.stream("GET", f"/v1/files/{file_id}/content") as answer:
            received = sum(len(chunk) for chunk in answer.iter_bytes())
        assert received == 200 * MiB
        assert process.memory_info().rss - before < 60 * MiB
