"""Adapters and models come and go: what is checked on the way in, what leaves when room is short."""

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from .conftest import SECRET, Running, ask, greedy, write_manifest


def load(server: Running, name: str, path: Path | str, **more: str) -> tuple[int, str]:
    """Status and error code (or the text of a success)."""
    answer = server.http.post("/v1/load_lora_adapter", json={"lora_name": name, "lora_path": str(path), **more})
    return answer.status_code, answer.json()["error"]["code"] if answer.status_code != 200 else answer.text


def message(server: Running, path: Path) -> str:
    answer = server.http.post("/v1/load_lora_adapter", json={"lora_name": "refused", "lora_path": str(path)})
    assert answer.status_code == 400
    assert "refused" not in server.resident()
    return str(answer.json()["error"]["message"])


@pytest.fixture
def adapter(adapter_paths: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of a good adapter, to be spoiled."""
    return Path(shutil.copytree(adapter_paths["red"], tmp_path / "adapter"))


def test_adapters_answer_for_themselves_and_leave_the_base_alone(
    server: Running, model_path: Path, adapter_paths: dict[str, Path]
) -> None:
    before = ask(server)
    answers = {name: ask(server, model=name) for name in adapter_paths}
    assert len({before, *answers.values()}) == 4
    assert ask(server) == before
    cards = {card["id"]: card for card in server.http.get("/v1/models").json()["data"]}
    assert cards["tiny"]["root"] == str(model_path)
    assert (cards["red"]["root"], cards["red"]["parent"]) == (str(adapter_paths["red"]), "tiny")
    assert [model.id for model in server.sdk.models.list()] == list(cards)


def test_adapters_answer_as_peft_does(
    server: Running, model_path: Path, reference: tuple[Any, Any], adapter_paths: dict[str, Path]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        base = AutoModelForCausalLM.from_pretrained(model_path)
        model = PeftModel.from_pretrained(base, str(adapter_paths["green"]))
    assert ask(server, model="green") == greedy(model, reference[1], 24)


def test_names_are_immutable(server: Running, adapter_paths: dict[str, Path]) -> None:
    assert load(server, "red", adapter_paths["red"])[0] == 200
    assert load(server, "red", adapter_paths["blue"]) == (400, "name_taken")
    assert load(server, "tiny", adapter_paths["blue"]) == (400, "name_taken")


def test_altered_weights_are_refused(server: Running, adapter: Path) -> None:
    weights = adapter / "adapter_model.safetensors"
    altered = bytearray(weights.read_bytes())
    altered[-1] ^= 1
    weights.write_bytes(altered)
    assert "is not the file that manifest.json describes" in message(server, adapter)


def test_without_a_manifest_nothing_is_loaded(server: Running, adapter: Path) -> None:
    (adapter / "manifest.json").unlink()
    assert "cannot be verified" in message(server, adapter)


def test_pickled_weights_are_refused(server: Running, adapter: Path) -> None:
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    write_manifest(adapter)
    assert "lacks adapter_model.safetensors" in message(server, adapter)


def test_wrong_shapes_are_refused_by_name(server: Running, adapter: Path) -> None:
    tensors = load_file(adapter / "adapter_model.safetensors")
    name = next(name for name in tensors if name.endswith("lora_A.weight"))
    tensors[name] = tensors[name][:, :5].contiguous()
    save_file(tensors, adapter / "adapter_model.safetensors")
    write_manifest(adapter)
    said = message(server, adapter)
    assert name in said
    assert "has shape (8, 5), but this base model needs 192" in said


def test_adapters_of_another_architecture_are_refused(server: Running, adapter: Path) -> None:
    tensors = load_file(adapter / "adapter_model.safetensors")
    save_file({name.replace("q_proj", "query"): tensor for name, tensor in tensors.items()},
              adapter / "adapter_model.safetensors")  # fmt: skip
    write_manifest(adapter)
    assert "which is no linear layer of this base model" in message(server, adapter)


def test_weights_that_the_configuration_does_not_name_are_refused(server: Running, adapter: Path) -> None:
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"target_modules": ["q_proj"]}))
    write_manifest(adapter)
    assert "disagree" in message(server, adapter)


def test_what_cannot_share_a_batch_is_refused(server: Running, make_adapter: Callable[..., Path]) -> None:
    assert "uses use_dora: merge it" in message(server, make_adapter("dora", use_dora=True))


def test_an_adapter_that_does_not_act_is_refused(server: Running, adapter: Path) -> None:
    tensors = load_file(adapter / "adapter_model.safetensors")
    save_file({name: tensor * (".lora_A." not in name) for name, tensor in tensors.items()},
              adapter / "adapter_model.safetensors")  # fmt: skip
    write_manifest(adapter)
    assert "changes nothing" in message(server, adapter)


def test_an_untrained_adapter_is_its_base(server: Running, make_adapter: Callable[..., Path]) -> None:
    assert load(server, "untrained", make_adapter("untrained", strength=0))[0] == 200
    assert ask(server, model="untrained") == ask(server)
    assert server.http.post("/v1/unload_lora_adapter", json={"lora_name": "untrained"}).status_code == 200
    assert "untrained" not in server.resident()


@pytest.mark.parametrize("path", ["/nowhere", "", "nul\0inside", "x" * 5000, "/etc/passwd"])
def test_paths_that_lead_nowhere_are_refused(server: Running, path: str) -> None:
    assert load(server, "lost", path)[0] == 400
    assert server.http.post("/v1/load_model", json={"model_name": "lost", "model_path": path}).status_code == 400


def test_unknown_names_cannot_be_unloaded(server: Running) -> None:
    assert server.http.post("/v1/unload_lora_adapter", json={"lora_name": "nobody"}).status_code == 404
    assert server.http.post("/v1/unload_lora_adapter", json={"lora_name": "tiny"}).status_code == 404
    assert server.http.post("/v1/unload_model", json={"model_name": "red"}).status_code == 404


def test_bases_come_and_go_and_idle_adapters_make_room(
    small_server: Running, model_path: Path, adapter_paths: dict[str, Path]
) -> None:
    server = small_server
    answer = server.http.post("/v1/load_lora_adapter", json={"lora_name": "red", "lora_path": "/nowhere"})
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "no_base_model"
    assert int(answer.headers["retry-after"]) >= 1

    base = {"model_name": "tiny", "model_path": str(model_path)}
    assert server.http.post("/v1/load_model", json=base).text == "Success: Model 'tiny' added successfully."
    assert server.http.post("/v1/load_model", json=base).text == "Success: Model 'tiny' was already loaded."
    assert load(server, "red", adapter_paths["red"], base_model="other") == (400, "base_model_not_found")

    for name, path in adapter_paths.items():
        assert load(server, name, path, base_model="tiny")[0] == 200
    assert server.resident() == {"tiny": True, "red": False, "green": True, "blue": True}
    red = ask(server, model="red")  # which brings it back in the place of the one that waited longest
    assert server.resident() == {"tiny": True, "red": True, "green": False, "blue": True}
    assert len({red, ask(server, model="blue"), ask(server, model="green"), ask(server)}) == 4
    assert ask(server, model="red") == red

    refused = server.http.post("/v1/unload_model", json={"model_name": "tiny"})
    assert refused.json()["error"]["code"] == "model_in_use"
    for name in adapter_paths:
        assert server.http.post("/v1/unload_lora_adapter", json={"lora_name": name}).status_code == 200
    assert server.http.post("/v1/unload_model", json={"model_name": "tiny"}).status_code == 200
    assert server.resident() == {}


@pytest.mark.parametrize("given", ["", "Bearer wrong", SECRET, "Bearer \xff"])
def test_without_the_secret_nothing_is_told(small_server: Running, given: str) -> None:
    headers = [(b"authorization", given.encode("latin-1"))]
    for path in ["/health", "/v1/models", "/metrics"]:
        answer = small_server.http.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
