"""What tests of labels share: a product on white, and a certificate chain made on the spot."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from packshot.provenance.credentials import Signer


def product_picture(side: int = 640, seed: int = 1) -> NDArray[np.uint8]:
    """(side, side, 3): something soft and mottled on exact white."""
    mottled = np.random.default_rng(seed).integers(60, 190, (40, 40, 3), np.uint8)
    edge = side // 6
    size = (side - 2 * edge,) * 2
    pixels = np.full((side, side, 3), 255, np.uint8)
    pixels[edge:-edge, edge:-edge] = np.array(Image.fromarray(mottled).resize(size, Image.Resampling.BICUBIC))
    return pixels


def signer_and_root(*, ended: bool = False) -> tuple[Signer, str]:
    """A signer whose certificate a fresh root vouches for, and that root as PEM; skips where packages are missing.

    Args:
        ended: whether the certificates are no longer valid.
    """
    pytest.importorskip("c2pa", reason="needs c2pa-python: pip install 'packshot[provenance]'")
    pytest.importorskip("cryptography", reason="needs cryptography: pip install 'packshot[dev]'")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=30 * ended)
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("Test root", "Test shop")}

    def name_of(common: str) -> x509.Name:
        words = {NameOID.ORGANIZATION_NAME: "packshot tests", NameOID.COMMON_NAME: common}
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in words.items()])

    def made(common: str, serial: int, usage: str) -> x509.Certificate:
        own, root = keys[common].public_key(), keys["Test root"]
        names = "content_commitment key_encipherment data_encipherment key_agreement encipher_only decipher_only"
        uses = dict.fromkeys([*names.split(), "digital_signature", "key_cert_sign", "crl_sign"], False)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name_of(common))
            .issuer_name(name_of("Test root"))
            .public_key(own)
            .serial_number(serial)
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(usage == "key_cert_sign", None), critical=True)
            .add_extension(x509.KeyUsage(**{**uses, usage: True}), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(own), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), critical=False)
        )
        if usage == "digital_signature":
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        return builder.sign(root, hashes.SHA256())

    pem = serialization.Encoding.PEM
    root, shop = made("Test root", 1, "key_cert_sign"), made("Test shop", 2, "digital_signature")
    key = keys["Test shop"].private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Signer(shop.public_bytes(pem).decode(), key.decode()), root.public_bytes(pem).decode()
