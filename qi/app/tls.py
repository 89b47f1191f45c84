"""Making a certificate for what other machines may reach. Any thread.

Qi makes an authority once for each home, whose file is given to the other machines, and with every start a certificate
for the names and addresses that this machine has then.
"""

from __future__ import annotations

import ipaddress
import socket
from datetime import UTC, datetime, timedelta

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from qi.app.certificates import Certificate
from qi.errors import Invalid
from qi.home import Home, write_private

AUTHORITY_YEARS = 10
CERTIFICATE_DAYS = 397
"""The longest that today's verifiers accept."""


def made(home: Home, host: str, name: str) -> Certificate:
    """A certificate for this machine as it is now, by the authority of `home`. `host` is where it listens; each
    that listens has files of its own, called `name`."""
    authority_key, authority = _authority(home)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(socket.gethostname()[:64]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=CERTIFICATE_DAYS))
        .add_extension(x509.SubjectAlternativeName(_names(host)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_issued_by(authority), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    files = Certificate(home.keys / f"{name}.pem", home.keys / f"{name}.key", home.keys / "authority.pem")
    write_private(files.key, _pem(key))
    write_private(files.file, certificate.public_bytes(serialization.Encoding.PEM).decode())
    return files


def _authority(home: Home) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    file, key_file = home.keys / "authority.pem", home.keys / "authority.key"
    if file.is_file() and key_file.is_file():
        loaded = serialization.load_pem_private_key(key_file.read_bytes(), None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise Invalid(f"{key_file} is not the key of this home's authority", remedy="delete it and authority.pem")
        return loaded, x509.load_pem_x509_certificate(file.read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = _name("Qi studio"), datetime.now(UTC)
    authority = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365 * AUTHORITY_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_signs_only(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_private(key_file, _pem(key))
    write_private(file, authority.public_bytes(serialization.Encoding.PEM).decode())
    return key, authority


def _names(host: str) -> list[x509.GeneralName]:
    here = {"127.0.0.1", host}
    for addresses in psutil.net_if_addrs().values():
        here |= {one.address.partition("%")[0] for one in addresses if one.family in (socket.AF_INET, socket.AF_INET6)}
    found: list[x509.GeneralName] = [x509.DNSName("localhost")]
    for name in sorted(here):
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return [*found, x509.DNSName(socket.gethostname())]


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _issued_by(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    known = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known)


def _signs_only() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
