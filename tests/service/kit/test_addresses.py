"""Webhooks reach public addresses only, however the address is spelled."""

from ipaddress import ip_address

import pytest

from service.kit.addresses import ForbiddenAddress, InvalidURL, check, check_url, is_forbidden

FORBIDDEN = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1",
    "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.170", "192.0.2.1",
    "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.7", "224.0.0.1",
    "239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1",
    "::ffff:169.254.169.254", "::ffff:0:127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b:1::1",
    "100::1", "2001::1", "2001:db8::1", "2001:10::1", "2002:a9fe:a9fe::", "2002:7f00:1::", "3fff::1", "5f00::1",
    "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1", "ff0e::1", "4000::1",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "9.255.255.255", "100.63.255.255", "172.32.0.1", "192.167.255.255", "223.255.255.255",
          "2606:4700:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_addresses_that_are_not_public(address: str) -> None:
    assert is_forbidden(ip_address(address))
    with pytest.raises(ForbiddenAddress):
        check(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert not is_forbidden(ip_address(address))
    check(address)


def test_an_ipv6_zone_does_not_hide_an_address() -> None:
    with pytest.raises(ForbiddenAddress):
        check("fe80::1%eth0")


@pytest.mark.parametrize("url", [
    "http://example.com/hook", "ftp://example.com", "example.com/hook", "https://", "https:///path", "//example.com",
    "https://user@example.com/", "https://user:word@example.com/", "https://:word@example.com/",
    "https://example.com/#part", "https://exa mple.com/", "https://example.com/\n", "https://example.com\\@evil.com/",
    "https://example.com:port/", "https://example.com:99999/", "https://[::1/", "https://a..b/", "javascript:alert(1)",
    "https://localhost/", "https://LOCALHOST./", "https://api.localhost/", "https://db.internal/",
    "https://printer.local/", "https://127.0.0.1/", "https://127.1/", "https://0x7f.1/", "https://0177.0.0.1/",
    "https://2130706433/", "https://0/", "https://①②⑦.⓪.⓪.①/", "https://[::1]/", "https://[::ffff:10.0.0.1]/",
    "https://[fe80::1%25eth0]/", "https://169.254.169.254/latest/meta-data/", "https://10.1.2.3:8443/",
])
def test_urls_that_are_refused_without_asking_a_resolver(url: str) -> None:
    with pytest.raises(InvalidURL):
        check_url(url, allow_private=False)


@pytest.mark.parametrize("url", ["https://example.com/hook?x=1", "https://example.com:8443", "https://1.1.1.1/",
                                 "https://bücher.example/", "https://[2606:4700:4700::1111]/hook"])
def test_urls_that_are_taken(url: str) -> None:
    assert check_url(url, allow_private=False).hostname


def test_a_house_may_allow_private_addresses_but_nothing_else() -> None:
    assert check_url("http://127.0.0.1:9000/hook", allow_private=True).port == 9000
    for url in ("ftp://127.0.0.1/", "http://user@127.0.0.1/", "http://"):
        with pytest.raises(InvalidURL):
            check_url(url, allow_private=True)
