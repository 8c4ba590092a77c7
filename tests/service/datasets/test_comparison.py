"""Comparing versions: lines by what they say, counted as often as they stand there."""

import json
import random
from collections import Counter

import numpy as np
import pytest

from service.datasets.operations import comparison
from service.datasets.operations.comparison import count, hashed
from tests.fixtures.api import Tenant
from tests.service.datasets.making import DATASETS, asked, built, chat, chats, dataset, error, get


class TestCount:
    def test_it_agrees_with_counting_by_hand(self) -> None:
        chance = random.Random(5)
        for _ in range(200):
            one, other = ([chance.randrange(6) for _ in range(chance.randrange(12))] for _ in range(2))
            found = count(*(hashed([b"\n".join(b"%d" % each for each in side)]) for side in (one, other)))
            kept = Counter(one) & Counter(other)
            assert (found.kept, found.added, found.removed) == \
                (kept.total(), len(other) - kept.total(), len(one) - kept.total())
            assert len(found.added_lines) == found.added
            rest = [each for number, each in enumerate(one, 1) if number not in found.removed_lines]
            rest_of_other = [each for number, each in enumerate(other, 1) if number not in found.added_lines]
            assert found.order_changed == (rest != rest_of_other)

    def test_spacing_and_order_of_keys_say_nothing(self) -> None:
        one, other = hashed([b'{"a": 1, "b": [2]}\n']), hashed([b'{"b":[2],"a":1}'])
        assert np.array_equal(one.hashes, other.hashes)

    @pytest.mark.parametrize("line", [b"\xff\xfe", b"{", b"[" * 5000, b"NaN", b'{"a": 1e999}', b"9" * 5000, b"\x00"])
    def test_lines_that_are_no_json_are_compared_as_they_stand(self, line: bytes) -> None:
        found = hashed([line + b"\n", b"\n", line])
        assert found.hashes[0] == found.hashes[1]
        assert found.numbers.tolist() == [1, 3]

    def test_chunks_may_cut_lines_anywhere(self) -> None:
        data = chats(5)
        whole = hashed([data])
        assert np.array_equal(whole.hashes, hashed([data[at:at + 7] for at in range(0, len(data), 7)]).hashes)


class TestCompare:
    def test_added_removed_and_kept_lines_are_told(self, tenant: Tenant) -> None:
        of = dataset(tenant)
        built(tenant, of, chats(10))
        built(tenant, of, chat(99) + chats(8, first=2))
        told = get(tenant, of, 1, "/compare/2")
        assert {name: told[name] for name in ("identical", "lines", "other_lines", "kept", "added", "removed",
                                              "order_changed", "added_lines", "removed_lines")} == {
            "identical": False, "lines": 10, "other_lines": 9, "kept": 8, "added": 1, "removed": 2,
            "order_changed": False, "added_lines": [1], "removed_lines": [1, 2]}

    def test_the_same_lines_in_another_order_are_kept(self, tenant: Tenant) -> None:
        of = dataset(tenant)
        built(tenant, of, chats(3))
        built(tenant, of, chats(2, first=1) + json.dumps(json.loads(chat(0)), indent=None).encode())
        told = get(tenant, of, 1, "/compare/2")
        assert (told["kept"], told["added"], told["removed"], told["order_changed"]) == (3, 0, 0, True)

    def test_only_the_first_hundred_numbers_are_listed(self, tenant: Tenant) -> None:
        of = dataset(tenant)
        built(tenant, of, chats(150))
        built(tenant, of, chats(1, first=500))
        told = get(tenant, of, 1, "/compare/2")
        assert (told["removed"], told["removed_lines"]) == (150, list(range(1, 101)))

    def test_what_is_not_ready_or_not_there_is_told_apart(self, tenant: Tenant) -> None:
        of = dataset(tenant)
        built(tenant, of, chats(3))
        asked(tenant, of, chats(4))
        waiting = tenant.client.get(f"{DATASETS}/{of}/versions/1/compare/2")
        assert error(waiting, 409)["code"] == "version_not_ready"
        assert error(tenant.client.get(f"{DATASETS}/{of}/versions/1/compare/3"), 404)["param"] == "other"

    def test_what_is_too_large_is_refused(self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        of = dataset(tenant)
        built(tenant, of, chats(3))
        monkeypatch.setattr(comparison, "MOST_LINES", 2)
        refused = tenant.client.get(f"{DATASETS}/{of}/versions/1/compare/1")
        assert error(refused, 400)["code"] == "comparison_too_large"
