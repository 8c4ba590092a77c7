"""The database's schema: bring it to the newest revision, take it back, say where it stands."""

from dataclasses import dataclass
from importlib import util
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, pool

from service.kit.database import sqlalchemy_url
from service.settings import settings


@dataclass(frozen=True, slots=True)
class Standing:
    """The revision a database has (None: empty) and the newest one this release knows."""

    current: str | None
    newest: str | None

    @property
    def is_current(self) -> bool:
        return self.current == self.newest


def upgrade() -> Standing:
    """Apply what is missing; two at once wait for each other. Raises SQLAlchemyError."""
    command.upgrade(_config(), "head")
    return standing()


def downgrade(revision: str) -> Standing:
    """Take back to `revision`: an identifier, `-1` for one step, `base` for an empty database."""
    command.downgrade(_config(), revision)
    return standing()


def standing() -> Standing:
    """Where the configured database stands. Raises SQLAlchemyError when it cannot be asked."""
    engine = create_engine(sqlalchemy_url(settings().database_url.get_secret_value()), poolclass=pool.NullPool,
                           connect_args={"connect_timeout": 5})
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return Standing(current, ScriptDirectory.from_config(_config()).get_current_head())


def _config() -> Config:
    """Found as a package, so that it is the same from a clone and from an installation."""
    found = util.find_spec("migrations")
    if found is None or found.origin is None:
        raise FileNotFoundError("the package `migrations` is missing from this installation")
    config = Config()
    config.set_main_option("script_location", str(Path(found.origin).parent).replace("%", "%%"))
    return config
