"""What can be learned from Postgres: that it is there, its schema, roles and walls, relays, pollers and senders."""

from functools import wraps
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy.exc import OperationalError

from service import schema
from service.doctor.findings import Check, Result, fail, ok, warn
from service.embedded.health import live_pollers, live_relays, live_senders
from service.kit.database import APP_ROLE, DISPATCH_ROLE
from service.settings import settings

_OLDEST = 150_000
_MIGRATE = "`tuneworks migrate` with a login that may create roles (CREATEROLE)."


def reachable() -> Result:
    try:
        with _connect() as connection:
            version = connection.info.server_version
            name = connection.execute("select current_database(), current_user").fetchone()
    except psycopg.Error as problem:
        return fail(_first_line(problem), "Start it, or correct TUNEWORKS_DATABASE_URL; `tuneworks up` brings its own.")
    found = f"{version // 10000}.{version % 10000}, {' as '.join(name or ())}"
    return ok(found) if version >= _OLDEST else fail(found, "Tuneworks needs PostgreSQL 15 or newer.")


def needs_database(check: Check) -> Check:
    """The check, unless the database does not answer: that is told once, by `reachable`."""
    @wraps(check)
    def guarded() -> Result:
        try:
            return check()
        except (psycopg.OperationalError, OperationalError):
            return fail("not examined, because the database does not answer", "See PostgreSQL.")
    return guarded


@needs_database
def migrated() -> Result:
    with _connect():
        standing = schema.standing()
    if standing.is_current:
        return ok(f"{standing.current}, the newest")
    return fail(f"at {standing.current or 'nothing'}, the newest is {standing.newest}", "Run `tuneworks migrate`.")


@needs_database
def roles() -> Result:
    """The login must be able to step down to both roles."""
    with _connect() as connection:
        for role in (APP_ROLE, DISPATCH_ROLE):
            try:
                with connection.transaction():
                    connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
            except psycopg.Error as problem:
                return fail(f"cannot become {role}: {_first_line(problem)}", _MIGRATE)
        row = connection.execute("select rolname, rolsuper or rolbypassrls from pg_roles"
                                 " where rolname = current_user").fetchone()
    if row is not None and row[1]:
        return warn(f"the login {row[0]} stands above row-level security",
                    "Use a login of its own, without SUPERUSER and BYPASSRLS; every transaction steps down anyway.")
    return ok(f"{APP_ROLE}, {DISPATCH_ROLE}")


@needs_database
def walls() -> Result:
    """Every table that names a project must force row-level security, and show nothing to nobody."""
    with _connect() as connection:
        tables = _tables(connection)
        if not tables:
            return fail("there are no tables", "Run `tuneworks migrate`.")
        if low := [name for name, walled in tables if not walled]:
            return fail(f"no forced row-level security on {', '.join(low)}", "Do not go on: run `tuneworks migrate`,"
                        " and find out who changed these tables.")
        with connection.transaction():
            connection.execute(sql.SQL("set local role {}").format(sql.Identifier(APP_ROLE)))
            seen = [name for name, _ in tables if _shows_anything(connection, name)]
    if seen:
        return fail(f"rows of {', '.join(seen)} are visible without naming a project",
                    "Do not go on: a policy on these tables is too wide.")
    return ok(f"{len(tables)} tables, none shows a row to nobody")


@needs_database
def relay() -> Result:
    number = live_relays(settings().database_url.get_secret_value())
    if number == 0:
        return fail("none is connected", "Without it nothing is worked on: start `tuneworks relay`.")
    return ok(f"{number} connected")


@needs_database
def poller() -> Result:
    number = live_pollers(settings().database_url.get_secret_value())
    with _connect() as connection, connection.transaction():
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(DISPATCH_ROLE)))
        live, overdue, unread = connection.execute("""
            select count(*), count(*) filter (where next_poll_at < now() - interval '10 minutes'),
                   count(*) filter (where poll_failures >= 4)
            from remote_jobs where state = 'live'""").fetchone() or (0, 0, 0)
    found = f"{number} connected, {live} jobs at other servers"
    if number == 0:
        verdict = fail if live else warn
        return verdict(found, "Without it nobody sees how jobs at other servers stand: start `tuneworks poller`.")
    if overdue:
        return fail(f"{found}; {overdue} of them were to be asked for more than 10 minutes ago",
                    "Look at the poller's log; a second `tuneworks poller` may help.")
    if unread:
        return warn(f"{found}; {unread} of them cannot be read now",
                    "Their servers are in trouble or refuse the credentials: see GET /v1/credentials.")
    return ok(found)


@needs_database
def sender() -> Result:
    number = live_senders(settings().database_url.get_secret_value())
    with _connect() as connection, connection.transaction():
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(DISPATCH_ROLE)))
        waiting, overdue, failing = connection.execute("""
            select (select count(*) from webhook_deliveries where state = 'pending'),
                   (select count(*) from webhook_deliveries delivery join webhook_endpoints endpoint
                        on endpoint.id = delivery.endpoint_id and endpoint.failing_since is null
                    where state = 'pending' and next_attempt_at < now() - interval '10 minutes')
                   + (select count(*) from events where told_at is null and created_at < now() - interval '10 minutes'),
                   (select count(*) from webhook_endpoints
                    where failing_since < now() - interval '1 day' and disabled_at is null and deleted_at is null)
            """).fetchone() or (0, 0, 0)
    found = f"{number} connected, {waiting} deliveries to be made"
    if number == 0:
        return fail(found, "Without it no webhook is sent: start `tuneworks sender`.")
    if overdue:
        return fail(f"{found}; {overdue} of them were to be made more than 10 minutes ago",
                    "Look at the sender's log; a second `tuneworks sender` may help.")
    if failing:
        return warn(f"{found}; {failing} endpoints have failed for more than a day",
                    "Their owners see why: GET /v1/webhook_endpoints/{id}/deliveries.")
    return ok(found)


def _tables(connection: psycopg.Connection[Any]) -> list[tuple[str, bool]]:
    """Tables whose rows belong to a project or an organization, and whether their wall stands."""
    return connection.execute("""
        select c.relname, c.relrowsecurity and c.relforcerowsecurity from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
          and (c.relname in ('organizations', 'projects') or exists (
            select from pg_attribute a where a.attrelid = c.oid
            and a.attname in ('project_id', 'organization_id') and not a.attisdropped))
        order by c.relname""").fetchall()


def _shows_anything(connection: psycopg.Connection[Any], table: str) -> bool:
    row = connection.execute(sql.SQL("select exists (select from {})").format(sql.Identifier(table))).fetchone()
    return bool(row and row[0])


def _connect() -> psycopg.Connection[Any]:
    return psycopg.connect(settings().database_url.get_secret_value(), connect_timeout=4,
                           options="-c statement_timeout=5000 -c lock_timeout=3000",
                           application_name="tuneworks doctor")


def _first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]
