"""Examines an installation: each part by itself, all at once, none for longer than some seconds, never failing."""

import threading
from collections.abc import Mapping

from pydantic import ValidationError

from service.doctor import database, keys, machine, parts
from service.doctor.findings import Check, Finding, Result, Verdict, fail, ok, warn
from service.embedded.attachment import attach
from service.settings import settings

__all__ = ["Check", "Finding", "Result", "Verdict", "examine"]

CHECK_SECONDS = 20.0
"""No check is waited for any longer, though each has shorter limits of its own."""

WITHOUT_SETTINGS: Mapping[str, Check] = {"Python": machine.python}
CHECKS: Mapping[str, Check] = {
    "PostgreSQL": database.reachable,
    "schema": database.migrated,
    "roles": database.roles,
    "walls": database.walls,
    "credentials": keys.credentials,
    "broker": parts.broker,
    "object store": parts.object_store,
    "disk": machine.disk,
    "base models": machine.base_models,
    "training": machine.training,
    "chat server": parts.chat_server,
    "relay": database.relay,
    "poller": database.poller,
    "sender": database.sender,
    "workers": parts.workers,
    "webhooks": machine.webhooks,
    "mail": parts.mail_server,
}


def examine(checks: Mapping[str, Check] = CHECKS) -> list[Finding]:
    """All findings, in the order of `checks`. Takes CHECK_SECONDS at most and raises nothing."""
    before = _run(WITHOUT_SETTINGS)
    found = _settings()
    if found.verdict is Verdict.FAIL:
        skipped = warn("not examined, because the settings cannot be read", "Correct the settings first.")
        return [*before, Finding.of("settings", found), *(Finding.of(name, skipped) for name in checks)]
    return [*before, Finding.of("settings", found), *_run(checks)]


def _settings() -> Result:
    try:
        runs = attach()
        given = sorted(settings().model_fields_set)
    except ValidationError as problem:
        wrong = "; ".join(f"TUNEWORKS_{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}"
                          for each in problem.errors())
        return fail(wrong, "Correct these variables; `tuneworks settings` tells what each means.")
    named = ", ".join(f"TUNEWORKS_{name.upper()}" for name in given) or "all at their defaults"
    if runs:
        return ok(f"those of `tuneworks up`, which runs in {settings().data_dir}")
    if "database_url" in given:
        return ok(named)
    return warn(f"{named}; no `tuneworks up` runs in {settings().data_dir.absolute()}",
                "If yours has another --data-dir, set TUNEWORKS_DATA_DIR to it; without one, set the addresses.")


def _run(checks: Mapping[str, Check]) -> list[Finding]:
    results: dict[str, Result] = {}
    # Daemon threads: whatever hangs in one of them cannot keep the doctor from ending.
    threads = {name: threading.Thread(target=_examine, args=(name, check, results), daemon=True)
               for name, check in checks.items()}
    for thread in threads.values():
        thread.start()
    for thread in threads.values():
        thread.join(CHECK_SECONDS)
    silent = fail(f"no answer within {CHECK_SECONDS:.0f} s", "Look at the network between here and there.")
    return [Finding.of(name, results.get(name, silent)) for name in checks]


def _examine(name: str, check: Check, results: dict[str, Result]) -> None:
    try:
        results[name] = check()
    except Exception as problem:  # noqa: BLE001 - a broken part must not break the examination
        words = str(problem).strip().splitlines() or [""]
        results[name] = fail(f"{type(problem).__name__}: {words[0]}", "This was not expected; see the part's own log.")
