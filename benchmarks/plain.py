"""What a user would write in an afternoon: a greeting, and a file route that writes to disk and hashes."""

import hashlib
import tempfile
from pathlib import Path

from fastapi import FastAPI, UploadFile

app = FastAPI()
_CHUNK = 1024 * 1024


@app.get("/healthz")
def hello() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/v1/files")
def create(file: UploadFile) -> dict[str, str | int]:
    digest, size = hashlib.sha256(), 0
    with tempfile.NamedTemporaryFile(delete=False) as kept:
        while chunk := file.file.read(_CHUNK):
            digest.update(chunk)
            kept.write(chunk)
            size += len(chunk)
    Path(kept.name).unlink()  # the benchmark would fill the disk
    return {"sha256": digest.hexdigest(), "bytes": size}
