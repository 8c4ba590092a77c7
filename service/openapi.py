"""Writes openapi/openapi.json from the application, or checks it: python -m service.openapi [--check]."""

import json
import sys
from pathlib import Path

from service.app import create_app

PATH = Path(__file__).parents[1] / "openapi" / "openapi.json"


def document() -> str:
    """The API's description as the committed file holds it."""
    return json.dumps(create_app().openapi(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> int:
    """0 when the file is (now) what the application says, 1 when --check finds that it is not."""
    if "--check" not in sys.argv[1:]:
        PATH.parent.mkdir(exist_ok=True)
        PATH.write_text(document(), encoding="utf-8")
        return 0
    if PATH.exists() and PATH.read_text(encoding="utf-8") == document():
        return 0
    sys.stderr.write("openapi/openapi.json is not what the application says: run `make openapi` and commit it.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
