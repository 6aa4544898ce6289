"""Google's part of Identity-Aware Proxy: keys at an address, and assertions signed with them."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm

AUDIENCE = "/projects/123456789/global/backendServices/987654321"
ISSUER = "https://cloud.google.com/iap"
HEADER = "X-Goog-IAP-JWT-Assertion"


def new_key() -> EllipticCurvePrivateKey:
    return generate_private_key(SECP256R1())


@dataclass
class Google:
    """``keys`` are those it publishes; set ``fault`` to a status, or to bytes to send instead."""

    url: str
    keys: dict[str, EllipticCurvePrivateKey]
    fault: int | bytes | None = None
    asked: int = field(default=0)

    def document(self) -> bytes:
        """The keys as Google publishes them."""
        keys = [
            {
                **ECAlgorithm.to_jwk(key.public_key(), as_dict=True),
                "kid": key_id,
                "use": "sig",
                "alg": "ES256",
            }
            for key_id, key in self.keys.items()
        ]
        return json.dumps({"keys": keys}).encode()

    def claims(self, **changed: Any) -> dict[str, Any]:
        """As the proxy sends them now, with some changed; None takes one out."""
        now = int(time.time())
        claims = {
            "aud": AUDIENCE,
            "iss": ISSUER,
            "email": "ann@example.com",
            "sub": "accounts.google.com:1234567890",
            "hd": "example.com",
            "iat": now,
            "exp": now + 600,
            **changed,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def sign(self, claims: dict[str, Any], key_id: str = "one") -> str:
        """An assertion."""
        return jwt.encode(claims, self.keys[key_id], "ES256", headers={"kid": key_id})

    def public_pem(self, key_id: str = "one") -> bytes:
        """The public key, which everybody can have."""
        return (
            self.keys[key_id]
            .public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """A token put together by hand, for headers that no library writes."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


@contextmanager
def google() -> Iterator[Google]:
    """Serves its keys on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            this.asked += 1
            status = this.fault if isinstance(this.fault, int) else 200
            body = this.fault if isinstance(this.fault, bytes) else this.document()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        this = Google(f"http://127.0.0.1:{server.server_port}/keys", {"one": new_key()})
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield this
        server.shutdown()
