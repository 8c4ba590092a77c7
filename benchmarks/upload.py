"""A file of 256 MB through POST /v1/files: speed and memory, beside a plain FastAPI route that does the same."""

import http.client
import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.api import uvicorn
from benchmarks.report import ROUNDS, Line, show
from benchmarks.scratch import plain_app, scratch, server
from service.settings import MiB

_SIZE = 256 * MiB
_HEAD = (b'--edge\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
         b'--edge\r\ncontent-disposition: form-data; name="file"; filename="big.jsonl"\r\n\r\n')
_TAIL = b"\r\n--edge--\r\n"
_LINE = b'{"messages": [{"role": "user", "content": "' + b"x" * 960 + b'"}]}\n'


def body() -> Iterator[bytes]:
    block = (_LINE * (MiB // len(_LINE) + 1))[:MiB]
    yield _HEAD
    for _ in range(_SIZE // MiB):
        yield block
    yield _TAIL


def upload(url: str, key: str) -> float:
    """MB per second of one upload."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=120, blocksize=MiB)
    began = time.perf_counter()
    connection.request("POST", "/v1/files", body(), {
        "authorization": f"Bearer {key}", "content-type": "multipart/form-data; boundary=edge",
        "content-length": str(len(_HEAD) + _SIZE + len(_TAIL))})
    answer = connection.getresponse()
    told = answer.read()
    seconds = time.perf_counter() - began
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{url}: {answer.status} {told[:300]!r}")
    return _SIZE / 1e6 / seconds


def peak(pid: int) -> float:
    """The most memory the process ever held, in MB."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def main() -> None:
    with scratch() as house, server(uvicorn) as ours, server(plain_app) as theirs:
        before = {pid: peak(pid) for _, pid in (ours, theirs)}
        speeds: dict[int, list[float]] = {pid: [] for pid in before}
        for _ in range(ROUNDS):
            for url, pid in (ours, theirs):
                speeds[pid].append(upload(url, house.key))
        grown = {pid: max(1.0, peak(pid) - before[pid]) for pid in before}
        median = {pid: sorted(each)[ROUNDS // 2] for pid, each in speeds.items()}
    show(f"Upload of {_SIZE // MiB} MB", "a FastAPI UploadFile route that hashes and writes to disk", [
        Line("bytes", "MB/s", median[ours[1]], median[theirs[1]]),
        Line("memory above idle", "MB", grown[ours[1]], grown[theirs[1]], "less"),
    ])


if __name__ == "__main__":
    main()
