"""The one way to Postgres: engine, declarative base, and sessions that are born inside a tenant's walls.

Every transaction begins by stepping down from the login to a role that owns nothing, and by naming the
tenant; row-level security (see migrations/) then shows it that tenant's rows and no others. Both settings
are local to the transaction, so neither a pooled connection nor a transaction pooler can leak them.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    DateTime,
    Engine,
    ForeignKey,
    Identity,
    MetaData,
    Text,
    any_,
    cast,
    create_engine,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, SessionTransaction, mapped_column, sessionmaker

from service.settings import settings

APP_ROLE = "tuneworks_app"
"""Role of the API and of tasks: sees the rows of one project or one organization at a time."""
DISPATCH_ROLE = "tuneworks_dispatch"
"""Role of relays, pollers and senders: sees of all projects what is to be done and when, and no content."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What one transaction may see: the role it steps down to and whose rows it names."""

    role: str = APP_ROLE
    project_id: str = ""
    organization_id: str = ""

    @classmethod
    def project(cls, project_id: str) -> "Scope":
        return cls(project_id=project_id)

    @classmethod
    def organization(cls, organization_id: str) -> "Scope":
        return cls(organization_id=organization_id)


NOBODY = Scope()
"""Sees no tenant's rows; authentication starts here."""
DISPATCH = Scope(role=DISPATCH_ROLE)


class Base(DeclarativeBase):
    """Parent of every table; constraint names are fixed so that migrations can name them."""

    metadata = MetaData(naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    })
    type_annotation_map = {dict[str, Any]: JSONB, list[Any]: JSONB, list[str]: JSONB,  # noqa: RUF012 - SQLAlchemy's own form
                           datetime: DateTime(timezone=True)}


class Tenanted:
    """A row that belongs to one project; the migration that makes its table also builds its wall."""

    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)


class Positioned:
    """A row that lists are ordered by: `position` grows with every insert and breaks ties of time."""

    id: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class Streamed:
    """A row of an append-only table that streams follow without a gap.

    Positions are given before a transaction commits, so a row may turn up behind one that was read already. Readers
    therefore go by (transaction_id, position), and only as far as no older transaction is open:
    `transaction_id < pg_snapshot_xmin(pg_current_snapshot())`. The id is an xid8, which never wraps round.
    """

    transaction_id: Mapped[int] = mapped_column(BigInteger, server_default=text("pg_current_xact_id()::text::bigint"))


def mend_streams(session: Session, tables: Iterable[str]) -> int:
    """Let rows of Streamed tables that were restored from a dump be read; how many that were.

    They bear numbers of another cluster's transactions, some of which are still to come here: readers would wait for
    them. All of them are over, so they get the first number that a transaction can have.
    """
    mended = 0
    for table in tables:
        done = session.execute(text(
            f"update {table} set transaction_id = 3"  # noqa: S608 - the name of a table of ours
            " where transaction_id >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint"))
        mended += int(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE's result has it
    return mended


def sqlalchemy_url(url: str) -> str:
    """A libpq URL as SQLAlchemy wants it, with psycopg 3 as its driver."""
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+psycopg://" + url.removeprefix(scheme)
    return url


@cache
def engine() -> Engine:
    """This process's engine; forked workers call `engine.cache_clear()` and make their own."""
    return create_engine(
        sqlalchemy_url(settings().database_url.get_secret_value()),
        pool_size=settings().database_pool_size, max_overflow=0, pool_timeout=10, pool_pre_ping=True,
        hide_parameters=True,  # errors are logged, and values may be secrets or a tenant's data
        connect_args={"connect_timeout": 5, "application_name": "tuneworks",
                      "options": "-c lock_timeout=10000 -c idle_in_transaction_session_timeout=60000"})


_Factory = sessionmaker(expire_on_commit=False)
_STEP = ("select set_config('role', %s, true), set_config('app.project_id', %s, true),"
         " set_config('app.organization_id', %s, true)")


@event.listens_for(_Factory, "after_begin")
def _step_down(session: Session, _: SessionTransaction, connection: Any) -> None:
    scope: Scope = session.info["scope"]
    connection.exec_driver_sql(_STEP, (scope.role, scope.project_id, scope.organization_id))


def _step_into(session: Session, scope: Scope) -> None:
    session.connection().exec_driver_sql(_STEP, (scope.role, scope.project_id, scope.organization_id))


@contextmanager
def transaction(scope: Scope) -> Iterator[Session]:
    """One transaction within `scope`: commits when the block ends, rolls back when it raises."""
    with _Factory(bind=engine(), info={"scope": scope}) as session, session.begin():
        yield session


@contextmanager
def within(session: Session, scope: Scope) -> Iterator[None]:
    """A part of a transaction that sees what `scope` does, as long as nothing in it fails; then its own again."""
    session.flush()
    mine: Scope = session.info["scope"]
    session.info["scope"] = scope
    try:
        _step_into(session, scope)
        yield
        session.flush()
    finally:
        session.info["scope"] = mine
    _step_into(session, mine)


def database_now(session: Session) -> datetime:
    """The transaction's time. Time that decides anything comes from Postgres, never from a worker's clock."""
    now: datetime = session.execute(text("select now()")).scalar_one()
    return now.astimezone(UTC)


def among(column: Any, values: Collection[str]) -> ColumnElement[bool]:
    """`column in values` as one parameter: what a server lists may be more than a statement may have parameters."""
    found: ColumnElement[bool] = column == any_(cast(list(values), ARRAY(Text)))
    return found
