"""Servers that have fewer routes than OpenAI, and say so in words of their own."""

from typing import Any

import pytest

from tests.worker.providers.bodies import Opened
from worker.providers.compatible.remote import CompatibleRemote
from worker.providers.openai.answers import Answers
from worker.providers.openai.failures import Asked, NotTheAPI, answered

JOB = "ftjob-0123456789"


@pytest.mark.parametrize(("status", "body"), [(404, b'{"detail": "Not Found"}'), (405, b"<html>"), (404, b"")])
def test_a_route_that_is_not_there_is_told_from_a_job_that_is_not_there(status: int, body: bytes) -> None:
    failure = answered(Asked(reads=True, of_one=True), status, {}, body, Answers("secret-secret"))
    assert isinstance(failure, NotTheAPI)


def test_logs_and_checkpoints_that_a_server_does_not_keep_are_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    remote = CompatibleRemote(Opened(provider="compatible", base_url="https://server.example/v1", secret="secret-key"),
                              allow_private=False)

    def nothing(*_: Any, **__: Any) -> Any:
        raise NotTheAPI("The server answered 404, and not as the API does.")
    monkeypatch.setattr(remote._caller, "page", nothing)
    assert remote.events(JOB, until=None) == ()
    assert remote.checkpoints(JOB) == ()
    with pytest.raises(NotTheAPI):
        remote.jobs()
