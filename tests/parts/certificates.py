"""Certificates of servers that tests start, each of which is its own authority."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def made(
    who: x509.DNSName | x509.IPAddress, age: timedelta, left: timedelta
) -> tuple[bytes, bytes]:
    """Return a certificate of some age, with some time left, and its key, both as PEM."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, str(who.value))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - age)
        .not_valid_after(now + left)
        .add_extension(x509.SubjectAlternativeName([who]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = key.private_bytes(pem, kind, serialization.NoEncryption())
    return certificate.public_bytes(pem), private
