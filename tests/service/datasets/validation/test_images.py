"""Images in messages: their size and colours are read from their first bytes, whatever these are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.datasets.validation.findings import Place
from service.datasets.validation.images import check_image
from service.settings import MiB
from tests.service.datasets.validation.examples import JPEG, PNG, WEBP, data_url


def kinds(url: str) -> list[str]:
    return [finding.kind for finding in check_image({"url": url}, Place.example(1))]


@pytest.mark.parametrize("url", [
    data_url("png", PNG), data_url("jpeg", JPEG), data_url("webp", WEBP), "HTTPS://EXAMPLE.COM/A.PNG",
    data_url("png", PNG).replace("image/png", "IMAGE/PNG"), "https://xn--bcher-kva.example/a?b=c#d", "http://[::1]/a",
    data_url("png", PNG[:25] + b"\6" + PNG[26:]), data_url("png", PNG[:20]), data_url("jpeg", JPEG[:15])])
def test_a_good_image_passes(url: str) -> None:
    assert kinds(url) == []


@pytest.mark.parametrize(("url", "kind"), [
    (data_url("jpeg", JPEG + bytes(10 * MiB)), "image_too_large"),
    (data_url("png", PNG[:25] + b"\0" + PNG[26:]), "image_colours"),
    (data_url("jpeg", JPEG.replace(b"\0\1\0\1\3", b"\0\1\0\1\1")), "image_colours"),
    (data_url("jpg", JPEG), "invalid_image"),
    ("data:image/png," + "A" * 8, "invalid_image"),
    ("data:", "invalid_image"),
    (data_url("png", PNG) + "\u00e9", "invalid_image"),
    (data_url("png", PNG).replace(",", ",\n"), "invalid_image"),
    ("https://" + "a" * 9_000, "invalid_image"),
    ("http://[::1", "invalid_image"),
    ("", "invalid_image"),
    ("https://exa\nmple.com", "invalid_image"),
    (data_url("webp", b"RIFF....WAVE"), "image_type_differs"),
])
def test_a_bad_image_is_told(url: str, kind: str) -> None:
    assert kinds(url) == [kind]


@given(st.sampled_from(["png", "jpeg", "webp"]), st.sampled_from([b"", PNG[:8], PNG, JPEG[:3], JPEG, WEBP]),
       st.binary(max_size=40), st.integers(0, 60))
def test_no_bytes_break_the_check(kind: str, begins: bytes, more: bytes, cut: int) -> None:
    kinds(data_url(kind, (begins + more)[:cut]))
