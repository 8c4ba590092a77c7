"""Whether the house can keep and read the keys to other servers."""

import stat

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from service.credentials.operations.rotation import keks_in_use
from service.doctor.database import needs_database
from service.doctor.findings import Result, fail, ok, warn
from service.kit.database import NOBODY, Scope, transaction
from service.kit.encryption import EncryptionUnavailable
from service.kit.keyring import keyring
from service.settings import settings

_SOURCES = ("kek_file", "keks", "kek_command")
_HOW = ("`tuneworks credentials new-kek` makes a key for TUNEWORKS_KEK_FILE or TUNEWORKS_KEKS; `tuneworks up` keeps one"
        " in its data directory.")


@needs_database
def credentials() -> Result:
    """Every data key that is stored must be wrapped with a key that is here."""
    try:
        used = _used()
    except ProgrammingError:
        return fail("not examined, because the schema is not there", "See schema.")
    try:
        names = keyring().names
    except EncryptionUnavailable as problem:
        return fail(problem.message, _HOW)
    if not names:
        return (fail(f"no key-encryption key, and stored credentials need {', '.join(used)}", _HOW) if used else
                warn("no key-encryption key, so no credential can be stored", _HOW))
    if missing := [name for name in used if name not in names]:
        return fail(f"stored credentials need the key {', '.join(missing)}, which is not here",
                    "Put it back. Without it they cannot be read, and must be stored again.")
    if former := [name for name in used if name != names[-1]]:
        return warn(f"{names[-1]} is current, but {', '.join(former)} is in use",
                    "`tuneworks credentials rotate-kek` ends that.")
    return _about_the_source(f"{names[-1]} is current")


def _about_the_source(found: str) -> Result:
    several = [f"TUNEWORKS_{name.upper()}" for name in _SOURCES if name in settings().model_fields_set]
    if len(several) > 1:
        return warn(f"{found}; {', '.join(several)} are set", f"Only {several[0]} is read: unset the others.")
    file = settings().kek_file
    if file is not None and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return warn(f"{found}; others than its owner may read {file}", f"chmod 600 {file}")
    return ok(found)


def _used() -> list[str]:
    with transaction(NOBODY) as session:
        organization_id = session.execute(text("select first_organization()")).scalar()
    if organization_id is None:
        return []
    with transaction(Scope.organization(organization_id)) as session:
        return list(keks_in_use(session))
