"""What reviewers decided, applied to bytes: only their lines change, however the bytes arrive."""

from hypothesis import given
from hypothesis import strategies as st

from service.datasets.transformation.reviewed import Changes, apply_review, renumbered

lines = st.lists(st.binary(max_size=5).map(lambda line: line.replace(b"\n", b"")), min_size=1, max_size=12)
numbers = st.frozensets(st.integers(1, 14))


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """The bytes in chunks of these sizes, again and again."""
    chunks: list[bytes] = []
    start = 0
    while start < len(data):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(data[start:start + size])
        start += size
    return chunks


@given(old=lines, dropped=numbers, replaced=st.dictionaries(st.integers(1, 14), st.just(b"NEW")),
       sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4), ends=st.booleans())
def test_only_the_named_lines_change(old: list[bytes], dropped: frozenset[int], replaced: dict[int, bytes],
                                     sizes: list[int], *, ends: bool) -> None:
    if not ends and not old[-1]:
        old = [*old[:-1], b"x"]
    data = b"\n".join(old) + (b"\n" if ends else b"")
    expected = b"".join(
        replaced.get(number, line) + (b"\n" if ends or number < len(old) else b"")
        for number, line in enumerate(old, 1) if number not in dropped)
    assert b"".join(apply_review(cut(data, sizes), Changes(dropped, replaced))) == expected


@given(numbers, numbers)
def test_lines_keep_their_order_under_new_numbers(some: frozenset[int], dropped: frozenset[int]) -> None:
    standing = [number for number in range(1, 15) if number not in dropped]
    assert renumbered(some, dropped) == {standing.index(number) + 1 for number in some - dropped}


def test_without_changes_there_is_nothing_to_apply() -> None:
    assert not Changes()
    assert Changes(dropped=frozenset({1}))
    assert Changes(replaced={1: b"x"})
