"""How many deliveries may begin, and how many of one project: pure arithmetic, over what is under way.

The limit moves with what is free, as packets share a buffer (Choudhury and Hahne, 1998): when a turn is over, whoever
got something holds at most half of what is then free. So k projects that want everything leave 1 / (1 + k / 2) of it.
"""

from collections.abc import Mapping

from service.webhooks.operations import Places

QUICK_AT_ONCE, AT_ONCE = 400, 800
"""Deliveries under way, without and with those to slow endpoints, which only hold a connection."""


def left(held: Mapping[str, int], slow: int) -> Places:
    """What the next claim may take. `held`: how many of each project are under way, of which `slow` in all are slow.

    All that a project holds counts, as what is quick by now may be slow in a second.
    """
    under_way = sum(held.values())
    free = max(0, AT_ONCE - under_way)
    room = max(0, min(QUICK_AT_ONCE - (under_way - slow), free // 2))
    most = (free - room) // 2
    return Places(room, most, {project_id: max(0, most - number) for project_id, number in held.items()})
