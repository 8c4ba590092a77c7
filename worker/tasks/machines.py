"""Tells the house what this machine trains on, when a worker that trains is ready and every day from then on."""

import socket
from collections import Counter

from service.catalog import operations as catalog
from service.catalog.machines import devices
from service.kit.database import NOBODY, transaction
from service.kit.work import Queue
from worker.app import daily


@daily(Queue.TRAINING)
def note_machine() -> None:
    """Write down what this machine trains on."""
    found = Counter(devices())
    with transaction(NOBODY) as session:
        for device, number in found.items():
            catalog.note_machine(session, socket.gethostname(), device, devices=number)
