"""One worker process for one item of an import, to be killed: `python -m tests.system.import_worker ITEM`."""

import sys

from worker import app
from worker.tasks import imports

if __name__ == "__main__":
    app.run(imports.read_estate, sys.argv[1])
