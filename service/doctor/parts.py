"""The other parts that a house talks to: broker, object store, chat server, workers."""

import http.client
import json
import secrets
import smtplib
import subprocess
from contextlib import closing
from dataclasses import replace
from urllib.parse import urlsplit

import redis

from service import commands
from service.doctor.findings import Result, Verdict, fail, ok, warn
from service.embedded.health import host_answers
from service.kit.errors import Unavailable
from service.kit.storage import ObjectMissing, ObjectStore
from service.kit.work import Queue
from service.mail import sending as mail
from service.settings import NO_CHAT, child_environment, settings

_SECONDS = 4.0
_WORKERS_SECONDS = 15.0


def broker() -> Result:
    url = settings().broker_url.get_secret_value()
    parts = urlsplit(url)
    place = f"{parts.scheme}://{parts.hostname}:{parts.port}"
    if parts.scheme not in {"redis", "rediss", "valkey", "unix"}:
        default = {"amqps": 5671}.get(parts.scheme, 5672)
        if host_answers(parts.hostname or "localhost", parts.port or default, seconds=_SECONDS):
            return ok(f"{place} accepts connections")
        return fail(f"{place} does not answer", "Start it, or correct TUNEWORKS_BROKER_URL.")
    try:
        with redis.Redis.from_url(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS) as client:
            info = client.info("server")
            policy = client.info("memory").get("maxmemory_policy", "unknown")
    except (redis.RedisError, ValueError) as problem:
        return fail(f"{place}: {problem}", "Start it, or correct TUNEWORKS_BROKER_URL; `tuneworks up` brings its own.")
    found = f"{info.get('server_name', 'redis')} {info.get('valkey_version', info['redis_version'])}, {policy}"
    if policy != "noeviction":
        return warn(found, "Set maxmemory-policy to noeviction: an evicted message is only sent again seconds later.")
    return ok(found)


def object_store() -> Result:
    """Writes, reads and erases a small object."""
    place, key, content = settings().storage_url, f"doctor/{secrets.token_hex(8)}", secrets.token_bytes(16)
    try:
        store = ObjectStore(place, settings().storage_options)
        store.write(key, content)
        try:
            same = b"".join(store.read(key)) == content
        finally:
            store.delete(key)
    except (Unavailable, ObjectMissing) as problem:
        cause = str(problem.__cause__ or problem).strip().splitlines()[0]
        return fail(f"{place}: {cause}", "Correct TUNEWORKS_STORAGE_URL, its credentials or its permissions.")
    if not same:
        return fail(f"{place} returned other bytes than were written", "Do not use this store.")
    return ok(f"{place} takes, returns and erases bytes")


def chat_server() -> Result:
    place, token = settings().serving_url, settings().serving_token.get_secret_value()
    if place == NO_CHAT:
        return warn("none: this house serves no local models", "Start it without --no-chat, or set"
                    " TUNEWORKS_SERVING_URL to a chat server.")
    parts = urlsplit(place)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    advice = "Local models cannot chat until it runs: `tuneworks serve`, or correct TUNEWORKS_SERVING_URL."
    try:
        with closing(kind(parts.hostname or "", parts.port, timeout=_SECONDS)) as connection:
            connection.request("GET", f"{parts.path.rstrip('/')}/health",
                               headers={"authorization": f"Bearer {token}"} if token else {})
            status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as problem:
        return warn(f"{place}: {problem}", advice)
    if status in {http.client.UNAUTHORIZED, http.client.FORBIDDEN}:
        return fail(f"{place} refuses our token", "Give both the same TUNEWORKS_SERVING_TOKEN.")
    if status == http.client.SERVICE_UNAVAILABLE:
        return warn(f"{place} is still loading models", "Wait a little.")
    return ok(place) if status == http.client.OK else warn(f"{place} answers {status}", advice)


def mail_server() -> Result:
    """Greets it as before a mail, and sends none."""
    if not settings().smtp_url.get_secret_value():
        return ok("none: TUNEWORKS_SMTP_URL is not set, so nobody can subscribe to mail")
    try:
        found = mail.server()
        mail.probe(replace(found, timeout=min(found.timeout, _SECONDS)))
    except mail.NotSetUp as unset:
        return fail(str(unset), "Set it, or unset TUNEWORKS_SMTP_URL.")
    except (smtplib.SMTPException, OSError, ValueError) as problem:
        return fail(f"{found.place}: {mail.in_words(problem)}", "Correct TUNEWORKS_SMTP_URL or the server; mail waits"
                    " for three days.")
    return ok(f"{found.place} takes mail from {found.sender.addr_spec}")


def workers() -> Result:
    """Asks by another process, since this one must not load Celery."""
    if broker().verdict is Verdict.FAIL:
        return fail("not examined, because the broker does not answer", "See broker.")
    try:
        asked = subprocess.run(commands.inspect_queues(2.0), env=child_environment(), capture_output=True, text=True,
                               timeout=_WORKERS_SECONDS, check=False)
        answers: dict[str, list[dict[str, str]]] = json.loads(asked.stdout or "{}")
    except (subprocess.TimeoutExpired, ValueError):
        return fail("could not be asked", "See broker.")
    served = {queue["name"] for queues in answers.values() for queue in queues or []}
    missing = [queue.value for queue in Queue if queue.value not in served]
    found = f"{len(answers)} answer; queues served: {', '.join(sorted(served)) or 'none'}"
    if Queue.TRAINING.value in missing and len(missing) == 1:
        return warn(found, "Nothing is trained here: start `tuneworks worker --queues training`.")
    if missing:
        return fail(found, f"Start `tuneworks worker --queues {','.join(missing)}`.")
    return ok(found)
