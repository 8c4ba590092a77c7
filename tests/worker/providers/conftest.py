"""Fixtures of the clients' tests."""

import ssl
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from service.settings import settings
from tests.remote.control import Simulator
from tests.worker.providers.bedrock.stand import bedrock_stand
from tests.worker.providers.stands import SimulatorStand, Stand, sent
from worker.providers.remote import Remote


@pytest.fixture(autouse=True)
def _public_servers_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As a house is by default; a stand on this machine allows more for itself."""
    monkeypatch.setenv("TUNEWORKS_REMOTE_ALLOW_PRIVATE", "false")
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A file with a key and a certificate of 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
            .sign(key, hashes.SHA256()))
    path = tmp_path / "certificate.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return path


@pytest.fixture
def own_tls(certificate: Path) -> ssl.SSLContext:
    """A server's TLS with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def stand(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    """The provider that the test's parameter names, with its server; of the simulated one, the clock stands still."""
    if request.param == "bedrock":
        with bedrock_stand() as made:
            yield made
        assert made.account.breaches == []
        return
    simulator: Simulator = request.getfixturevalue("simulator")
    simulator.run(0)
    monkeypatch.setenv("TUNEWORKS_REMOTE_ALLOW_PRIVATE", "true")
    settings.cache_clear()
    yield SimulatorStand(request.param, simulator)
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def remote(stand: Stand) -> Iterator[Remote]:
    with closing(stand.open()) as opened:
        yield opened


@pytest.fixture
def file(stand: Stand, remote: Remote) -> str:
    """The server's id of an uploaded file."""
    return sent(remote, stand.data())
