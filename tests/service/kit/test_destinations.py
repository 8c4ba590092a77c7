"""An operator can let webhooks go to hosts and networks of the house, and to those only."""

import pytest
from pydantic import ValidationError

from service.kit.addresses import ForbiddenAddress, InvalidURL, LocalURL
from service.kit.destinations import Destinations
from service.settings import Settings

HOUSE = Destinations.parse(["Hooks.internal.", "10.1.0.0/16", "fd12::/32", "192.168.7.7"], ports=(443, 8443),
                           allow_everything=False)


@pytest.mark.parametrize("url", [
    "https://example.com/", "https://example.com:8443/", "https://hooks.internal/", "http://HOOKS.internal.:9000/x",
    "https://10.1.2.3/", "http://10.1.2.3:8000/", "http://192.168.7.7/", "http://[fd12::7]:81/",
    "https://[::ffff:10.1.2.3]/",
])
def test_what_is_allowed_or_public_may_be_called(url: str) -> None:
    HOUSE.check_url(url)


@pytest.mark.parametrize("url", [
    "https://example.com:444/", "http://example.com/", "https://other.internal/", "https://sub.hooks.internal/",
    "https://10.2.0.1/", "http://192.168.7.8/", "https://[fd13::7]/", "https://[::ffff:10.2.0.1]/", "https://0xa.1.2.3/",
    "https://user@hooks.internal/", "ftp://hooks.internal/", "https://hooks.internal#x", "https://hooks.internal%2e/",
])
def test_everything_else_may_not(url: str) -> None:
    with pytest.raises(InvalidURL):
        HOUSE.check_url(url)


def test_local_addresses_are_told_from_urls_that_are_wrong() -> None:
    with pytest.raises(LocalURL):
        HOUSE.check_url("https://10.2.0.1/")
    with pytest.raises(InvalidURL) as refused:
        HOUSE.check_url("https://example.com:444/")
    assert not isinstance(refused.value, LocalURL)
    assert "443 or 8443" in str(refused.value)


@pytest.mark.parametrize("address", ["10.1.0.1", "::ffff:10.1.0.1", "fd12::1", "fd12::1%eth0", "192.168.7.7",
                                     "1.1.1.1"])
def test_addresses_that_names_may_lead_to(address: str) -> None:
    HOUSE.check_address(address)


@pytest.mark.parametrize("address", ["10.0.255.255", "10.2.0.0", "::ffff:10.2.0.1", "127.0.0.1", "192.168.7.6"])
def test_addresses_that_they_may_not(address: str) -> None:
    with pytest.raises(ForbiddenAddress):
        HOUSE.check_address(address)


def test_a_house_in_development_calls_everything() -> None:
    anywhere = Destinations.parse([], ports=(443,), allow_everything=True)
    for url in ("http://127.0.0.1:8000/", "https://localhost/", "http://10.0.0.1/"):
        assert anywhere.trusts(anywhere.check_url(url))


@pytest.mark.parametrize("listed", ["10.1.2.3/16", "10.0.0.0/33", "http://hooks", "a b", "::zz", "*.internal"])
def test_a_list_that_says_nothing_clear_stops_the_house(listed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEWORKS_WEBHOOK_ALLOW", f"hooks.internal,{listed}")
    with pytest.raises(ValidationError, match="webhook_allow"):
        Settings()


def test_lists_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEWORKS_WEBHOOK_ALLOW", "hooks.internal, 10.1.0.0/16,")
    monkeypatch.setenv("TUNEWORKS_WEBHOOK_PORTS", "443, 9443")
    read = Settings()
    assert (read.webhook_allow, read.webhook_ports) == (("hooks.internal", "10.1.0.0/16"), (443, 9443))


@pytest.mark.parametrize("proxy", ["proxy.internal:3128", "socks5://proxy:1080", "http://", "http://proxy/path"])
def test_a_proxy_that_would_not_be_used_stops_the_house(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEWORKS_WEBHOOK_PROXY", proxy)
    with pytest.raises(ValidationError, match="webhook_proxy"):
        Settings()
