"""Our own tokens: how the service shows an authorization server who it is, with a key that never leaves it."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carnallite.errors import ExtraMissing, SettingError

if TYPE_CHECKING:
    from datetime import datetime

LIFE = 240  # [s]; servers accept up to five minutes
_LEAST = {"ES384": 384, "RS384": 2048}  # bits
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Signer:
    """A private key of ours.

    Parameters
    ----------
    path : str
        A private JWK with `kid` (EC P-384, or RSA of at least 2048 bits), as a file that nobody else can read.

    Raises
    ------
    SettingError
        It cannot be read, is of another kind, or others may read it.
    """

    def __init__(self, path: str) -> None:
        try:
            from jwt import PyJWK, PyJWTError  # noqa: PLC0415  (an extra; start-up stays fast)
        except ImportError:
            do = "Install it: pip install 'carnallite[service]'."
            raise ExtraMissing("our own tokens", "the package pyjwt is not installed.", do) from None
        file = Path(path)
        try:
            if file.stat().st_mode & 0o077:
                raise _wrong("others may read it", f"chmod 600 {file.name}")
            held = json.loads(file.read_text("utf-8"))
            self.kid = str(held["kid"])
            self.algorithm = {("EC", "P-384"): "ES384", ("RSA", None): "RS384"}[held["kty"], held.get("crv")]
            self._key = PyJWK(held, self.algorithm).key
            if "d" not in held or self._key.key_size < _LEAST[self.algorithm]:
                raise _wrong("it is no private key", "Give the private JWK.")
        except OSError:
            raise _wrong("it cannot be read", "Check path and rights.") from None
        except (PyJWTError, ValueError, KeyError, TypeError):
            raise _wrong("it is no JWK of kind EC P-384 or RSA with a `kid`", "Make one of them.") from None

    def assertion(self, client: str, url: str, now: datetime) -> dict[str, str]:
        """Return the fields of a form that show a token endpoint who asks, for minutes and for one use."""
        import jwt  # noqa: PLC0415

        made = int(now.timestamp())
        said: dict[str, Any] = {
            "iss": client, "sub": client, "aud": url, "iat": made, "exp": made + LIFE, "jti": secrets.token_urlsafe(24),
        }  # fmt: skip
        signed = jwt.encode(said, self._key, algorithm=self.algorithm, headers={"kid": self.kid})
        return {"client_assertion_type": TYPE, "client_assertion": signed}


def _wrong(what: str, do: str) -> SettingError:
    return SettingError("key", f"the file of the private key: {what}.", do)
