"""Signatures agree with the published vectors and with two independent verifiers."""

import base64
import time

import pytest
from openai import InvalidWebhookSignatureError, OpenAI
from standardwebhooks import Webhook, WebhookVerificationError

from service.webhooks import signatures

# Published with the Standard Webhooks reference implementations.
SECRET = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
MESSAGE, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_vector() -> None:
    assert signatures.sign(SECRET, MESSAGE, TIMESTAMP, BODY) == SIGNATURE


@pytest.mark.parametrize(("message", "timestamp", "body"), [
    ("msg_other", TIMESTAMP, BODY), (MESSAGE, TIMESTAMP + 1, BODY), (MESSAGE, TIMESTAMP, BODY + b" ")])
def test_everything_that_is_sent_is_signed(message: str, timestamp: int, body: bytes) -> None:
    assert signatures.sign(SECRET, message, timestamp, body) != SIGNATURE


def test_bodies_are_bytes_and_need_not_be_text() -> None:
    assert signatures.sign(SECRET, MESSAGE, TIMESTAMP, b"\xff\x00").startswith("v1,")


def test_two_foreign_verifiers_accept_what_we_sign() -> None:
    secret, body = signatures.new_secret(), b'{"id":"evt_1","type":"fine_tuning.job.succeeded"}'
    headers = signatures.headers([secret], "wh_1", int(time.time()), body)
    Webhook(signatures.shown(secret)).verify(body, headers)
    OpenAI(api_key="none").webhooks.verify_signature(body, headers, secret=signatures.shown(secret))


def test_they_refuse_another_body_and_another_key() -> None:
    secret, body = signatures.new_secret(), b"{}"
    headers = signatures.headers([secret], "wh_1", int(time.time()), body)
    with pytest.raises(WebhookVerificationError):
        Webhook(signatures.shown(secret)).verify(b"{ }", headers)
    with pytest.raises(InvalidWebhookSignatureError):
        OpenAI(api_key="none").webhooks.verify_signature(
            body, headers, secret=signatures.shown(signatures.new_secret()))


def test_during_a_rotation_the_old_and_the_new_key_both_verify() -> None:
    new, old = signatures.new_secret(), signatures.new_secret()
    headers = signatures.headers([new, old], "wh_1", int(time.time()), b"{}")
    for key in (new, old):
        Webhook(signatures.shown(key)).verify(b"{}", headers)


def test_a_hint_gives_four_characters_away() -> None:
    secret = signatures.new_secret()
    assert signatures.hint(secret) == "whsec_..." + signatures.shown(secret)[-4:]
