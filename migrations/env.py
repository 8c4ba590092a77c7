"""Runs migrations: one at a time, with time-outs, against the tables of every slice."""

from alembic import context
from sqlalchemy import create_engine, pool, text

from migrations.metadata import metadata
from service.kit.database import sqlalchemy_url
from service.settings import settings

_LOCK = 7_309_453_271  # any constant; two migrations never run at once


def run() -> None:
    engine = create_engine(sqlalchemy_url(settings().database_url.get_secret_value()), poolclass=pool.NullPool)
    with engine.connect() as connection:
        connection.execute(text("select pg_advisory_lock(:lock)"), {"lock": _LOCK})
        connection.execute(text("set lock_timeout = '5s'"))
        connection.execute(text("set statement_timeout = '60s'"))
        connection.commit()
        context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True,
                          compare_type=True, compare_server_default=True)
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    run()
