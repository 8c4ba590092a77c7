"""What went wrong, in an operator's words and with what to do next."""

from pydantic import ValidationError
from rich.markup import escape
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from service.settings import settings


def explain(problem: Exception) -> str:
    """One or two sentences; safe to print as rich markup."""
    if isinstance(problem, ValidationError):
        return _settings(problem)
    if isinstance(problem, SQLAlchemyError):
        return _database(problem)
    if isinstance(problem, OSError) and problem.filename:
        return escape(f"{problem.filename}: {problem.strerror}.")
    return escape(str(problem))


def _settings(problem: ValidationError) -> str:
    wrong = [f"TUNEWORKS_{'_'.join(map(str, error['loc'])).upper()}: {error['msg']} (it is {error['input']!r})"
             for error in problem.errors()]
    return escape("these settings cannot be used.\n  " + "\n  ".join(wrong)
                  + "\n`tuneworks settings` lists every variable with its meaning.")


def _database(problem: SQLAlchemyError) -> str:
    try:
        place = make_url(settings().database_url.get_secret_value()).render_as_string(hide_password=True)
    except ArgumentError:
        return "TUNEWORKS_DATABASE_URL is not a database URL (postgresql://user:password@host:port/database)."
    cause = str(getattr(problem, "orig", None) or problem).strip().splitlines()[0]
    advice = (f"Is it running? `tuneworks up` starts one; `tuneworks doctor` tells what is missing.{_elsewhere()}"
              if isinstance(problem, OperationalError) else
              "Is it migrated? `tuneworks migrate` does that; `tuneworks doctor` tells what is missing.")
    return escape(f"the database {place} did not do what it was asked: {cause}\n{advice}")


def _elsewhere() -> str:
    """A house in another directory is found by that directory only."""
    if "database_url" in settings().model_fields_set:
        return ""
    return (f"\nNo `tuneworks up` runs in {settings().data_dir.absolute()}: if yours has another --data-dir, set"
            " TUNEWORKS_DATA_DIR to it.")
