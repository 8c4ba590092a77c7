"""Lines are cut the same however the bytes arrive, and a monstrous one costs a number, never memory."""

import tracemalloc
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from service.datasets.validation.lines import MAX_LINE_BYTES, Oversize, read_lines
from service.settings import GiB, MiB


@given(st.lists(st.sampled_from([b"", b"\n", b"a", b"bc\n", b"\r\n", b"\n\n", b"x\ny"])))
def test_lines_do_not_depend_on_the_chunks(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    expected = whole.split(b"\n") if not whole.endswith(b"\n") else whole.split(b"\n")[:-1]
    assert list(read_lines(chunks)) == list(enumerate(expected if whole else [], start=1))


def test_the_longest_line_passes_and_a_longer_one_is_only_measured() -> None:
    longest = b"x" * MAX_LINE_BYTES
    found = list(read_lines([longest[:MiB], longest[MiB:] + b"\n", longest, b"y\nend"]))
    assert found == [(1, longest), (2, Oversize(MAX_LINE_BYTES + 1)), (3, b"end")]


def test_a_line_of_two_gigabytes_takes_no_memory() -> None:
    def monstrous() -> Iterator[bytes]:
        yield b"first\n"
        block = b"x" * (4 * MiB)
        for _ in range(512):
            yield block
        yield b"\nlast"

    tracemalloc.start()
    found = list(read_lines(monstrous()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == [(1, b"first"), (2, Oversize(2 * GiB)), (3, b"last")]
    assert peak < 32 * MiB
