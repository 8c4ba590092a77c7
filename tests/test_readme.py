"""What the README says of the code, where code can tell whether it is true."""

from pathlib import Path

from service.datasets.validation.kinds import table
from service.events import types

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_table_of_rules_is_the_one_in_the_code() -> None:
    assert table().strip() in README


def test_the_table_of_events_is_the_one_in_the_code() -> None:
    assert types.table().strip() in README
