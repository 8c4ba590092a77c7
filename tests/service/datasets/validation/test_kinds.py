"""The registry of kinds is complete: nothing is told that is not in it, and nothing is in it that is never told."""

import re
from pathlib import Path
from types import ModuleType

import service.datasets.analysis
import service.datasets.validation
from service.datasets.validation.endings import carriage_returns, no_final_newline
from service.datasets.validation.kinds import KINDS, table

_TOLD = re.compile(r'\.(error|warning|info)\(\s*"([a-z0-9_]+)"|Finding\(\s*"(error|warning|info)", "([a-z0-9_]+)"')


def told(package: ModuleType = service.datasets.validation) -> set[tuple[str, str]]:
    """Every kind with its severity, as the modules of validation tell them."""
    found = set()
    for path in Path(str(package.__file__)).parent.glob("*.py"):
        for severity, kind, other, same in _TOLD.findall(path.read_text()):
            found.add((kind or same, severity or other))
    return found


def test_every_kind_is_registered_with_its_severity() -> None:
    allowed = {(name, kind.severity) for name, kind in KINDS.items()} | {("blank_line", "warning")}
    assert told() - allowed == set()


def test_every_registered_kind_is_told_somewhere() -> None:
    of_files = {kind for kind, _ in told(service.datasets.analysis)}
    assert {kind for kind, _ in told()} <= set(KINDS) <= {kind for kind, _ in told()} | of_files


def test_how_lines_end_is_told_with_their_number() -> None:
    told = [(finding.kind, finding.line, finding.severity) for finding in (carriage_returns(3), no_final_newline(3))]
    assert told == [("carriage_returns", 3, "info"), ("no_final_newline", 3, "info")]


def test_every_registered_kind_is_looked_for_in_a_test() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.parent.rglob("*.py"))
    assert [kind for kind in KINDS if f'"{kind}"' not in tests] == []


def test_the_table_has_a_row_for_each_kind() -> None:
    rows = table().splitlines()
    assert len(rows) == 2 + len(KINDS)
    assert rows[2] == "| file | A file holds at least one example. | `no_examples` | error | all |"
