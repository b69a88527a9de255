"""Redis over TLS: a server has to show that it is who it is called, to every client of ours and for the Sentinels too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import redis as blocking_redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from core.queue import JobQueue, PlanJob
from core.redis_address import RedisAddress
from core.state.connection import connect, connect_blocking, connect_for_jobs, translated
from schemas.errors import UnavailableError
from tests.conftest import free_port, redis_binary
from tests.processes import Process

NAME = "darkroom"
FROM = datetime.now(UTC) - timedelta(hours=1)
UNTIL = FROM + timedelta(days=1)


class Authority:
    """Who signs certificates; `path` has its own, to be believed."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, _named(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        believed = self._signed(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None))
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(believed)

    def issue(self, *names: x509.GeneralName) -> tuple[Path, Path]:
        """A certificate for these names, and its key."""
        key, stem = ec.generate_private_key(ec.SECP256R1()), f"{len([*self._folder.iterdir()])}"
        certificate, secret = self._folder / f"{stem}.pem", self._folder / f"{stem}.key"
        certificate.write_bytes(self._signed(_named("server"), key, x509.SubjectAlternativeName(names)))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, secret

    def _signed(self, who: x509.Name, key: ec.EllipticCurvePrivateKey, says: x509.ExtensionType) -> bytes:
        made = x509.CertificateBuilder().subject_name(who).issuer_name(self._name)
        made = made.public_key(key.public_key()).serial_number(x509.random_serial_number())
        made = made.not_valid_before(FROM).not_valid_after(UNTIL)
        signed = made.add_extension(says, critical=True).sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


class Encrypted:
    """Servers that speak TLS only, in one folder, with authorities that sign for them."""

    def __init__(self, folder: Path, ending: ExitStack) -> None:
        self._folder, self._ending = folder, ending
        self.ours, self.another = Authority(folder, "ours"), Authority(folder, "another")

    def redis(self, signer: Authority, *names: x509.GeneralName) -> int:
        """The port of a Redis whose certificate says these names."""
        return self._started(signer, names, "", "--save", "")

    def sentinel(self, primary: int, signer: Authority, *names: x509.GeneralName) -> int:
        """The port of a Sentinel that knows a primary at 127.0.0.1, and asks it over TLS."""
        watched = f"sentinel monitor {NAME} 127.0.0.1 {primary} 1\ntls-replication yes\n"
        return self._started(signer, names, watched, "--sentinel")

    def _started(
        self, signer: Authority, names: tuple[x509.GeneralName, ...], told: str, *options: str
    ) -> int:
        port, (certificate, key) = free_port(), signer.issue(*names)
        config = self._folder / f"{port}.conf"
        config.write_text(
            f"port 0\ntls-port {port}\nbind 127.0.0.1\ndir {self._folder}\ntls-auth-clients no\n"
            f"tls-cert-file {certificate}\ntls-key-file {key}\ntls-ca-cert-file {signer.path}\n{told}"
        )
        process = Process([redis_binary(), str(config), *options], self._folder / f"{port}.log")
        self._ending.callback(process.kill)
        process.wait_until(lambda: _answers(port))
        return port

    def address(self, port: int, host: str = "localhost", more: str = "") -> RedisAddress:
        return RedisAddress(f"rediss://{host}:{port}/0?ssl_ca_certs={self.ours.path}{more}")


def _answers(port: int) -> bool:
    try:
        with blocking_redis.Redis(port=port, ssl=True, ssl_cert_reqs="none") as client:
            return bool(client.ping())
    except blocking_redis.ConnectionError:
        return False


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[Encrypted]:
    with ExitStack() as ending:
        yield Encrypted(tmp_path, ending)


async def of_the_state(address: RedisAddress) -> None:
    async with connect(address) as client:
        with translated():
            await client.ping()


async def of_the_lease(address: RedisAddress) -> None:
    with connect_blocking(address) as client, translated():
        client.ping()


async def of_the_jobs(address: RedisAddress) -> None:
    queue = JobQueue(connect_for_jobs(address))
    try:
        await queue.enqueue_plan(PlanJob("plan_1", "acme", None))
    finally:
        await queue.aclose()


every_client = pytest.mark.parametrize("asked", [of_the_state, of_the_lease, of_the_jobs])
Client = Callable[[RedisAddress], Awaitable[None]]
LOCALHOST, EVIL = x509.DNSName("localhost"), x509.DNSName("evil.example")
HERE = x509.IPAddress(ip_address("127.0.0.1"))


@every_client
async def test_a_server_with_its_name_and_our_authority_is_spoken_to(
    encrypted: Encrypted, asked: Client
) -> None:
    port = encrypted.redis(encrypted.ours, LOCALHOST, HERE)
    await asked(encrypted.address(port))
    await asked(encrypted.address(port, "127.0.0.1"))


@every_client
async def test_a_server_with_another_name_is_refused(encrypted: Encrypted, asked: Client) -> None:
    port = encrypted.redis(encrypted.ours, EVIL)
    with pytest.raises(UnavailableError, match=r"CERTIFICATE_VERIFY_FAILED.*[Hh]ostname mismatch"):
        await asked(encrypted.address(port))


@every_client
async def test_a_server_of_an_unknown_authority_is_refused(encrypted: Encrypted, asked: Client) -> None:
    port = encrypted.redis(encrypted.another, LOCALHOST)
    with pytest.raises(UnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
        await asked(encrypted.address(port))


@every_client
@pytest.mark.parametrize("more", ["&ssl_check_hostname=false", "&ssl_cert_reqs=none"])
async def test_an_address_may_say_that_names_do_not_count(
    encrypted: Encrypted, asked: Client, more: str
) -> None:
    port = encrypted.redis(encrypted.ours, EVIL)
    await asked(encrypted.address(port, more=more))


@every_client
async def test_sentinels_are_spoken_to_as_the_primary_is(encrypted: Encrypted, asked: Client) -> None:
    primary = encrypted.redis(encrypted.ours, HERE)
    sentinel = encrypted.sentinel(primary, encrypted.ours, LOCALHOST)
    url = encrypted.address(1, "elsewhere.invalid").url
    await asked(RedisAddress(url, (("localhost", sentinel),), primary=NAME))


@every_client
async def test_a_sentinel_or_a_primary_with_another_name_is_refused(
    encrypted: Encrypted, asked: Client
) -> None:
    primary, other = encrypted.redis(encrypted.ours, HERE), encrypted.redis(encrypted.ours, EVIL)
    url = encrypted.address(1, "elsewhere.invalid").url
    for watched, name in ((primary, EVIL), (other, LOCALHOST)):
        sentinel = encrypted.sentinel(watched, encrypted.ours, name)
        with pytest.raises(UnavailableError):
            await asked(RedisAddress(url, (("localhost", sentinel),), primary=NAME))
