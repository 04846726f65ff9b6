"""An OpenID provider, asked as a relying party: authorization code with PKCE, nonce and state. Authlib and joserfc.

What the provider is called and may do is read from its discovery document, its keys from its JWKS; both are kept for a
while and read anew when a key is not known. An id_token counts only if its signature is by a key of the provider's in
an algorithm of SIGNED (never `none`, never a shared secret), and issuer, audience, nonce and times are right.
Sources: OpenID Connect Core 1.0 §3.1.3.7; RFC 7636 (PKCE); RFC 9207 (`iss` in the answer).
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from server.errors import BadSetting, NotSignedIn, Unwritable
from server.settings import Settings

#: asymmetric signatures only
SIGNED = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "Ed25519")
#: how long what the provider says of itself is believed
KEPT_MS = 3_600_000
#: keys are asked for anew at most this often, however many tokens come with a key that is not known
KEYS_AGAIN_MS = 30_000
TIMEOUT_S = 10.0
#: a provider that does not answer is not asked again so soon; nor by more than so many at once: each holds a thread
AWAY_MS, AT_ONCE = 3_000, 8
#: clocks may differ by this
LEEWAY_S = 60


@dataclass(frozen=True, kw_only=True)
class Flow:
    """A sign-in under way. Everything but `address` is kept on our side until the browser comes back."""

    #: where the browser goes
    address: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, kw_only=True)
class Outside:
    """Who somebody is at the provider: verified."""

    issuer: str
    subject: str
    claims: Mapping[str, Any]


class Provider:
    """One provider. Thread-safe. now_ms is the store's time."""

    def __init__(self, issuer: str, client_id: str, secret: str = "") -> None:
        self.issuer, self._client_id, self._secret = issuer, client_id, secret
        self._lock = threading.Lock()
        self._metadata: dict[str, Any] | None = None
        self._keys: KeySet | None = None
        self._read_ms = self._keys_ms = 0
        self._away_ms: int | None = None
        self._asking = threading.BoundedSemaphore(AT_ONCE)

    def begin(self, back: str, now_ms: int) -> Flow:
        """Where to send the browser, which comes back to `back`. Raises Unwritable(`provider-away`)."""
        found = self._discovered(now_ms)
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        with self._oauth(back) as client:
            address, _ = client.create_authorization_url(
                found["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
            )
        return Flow(address=address, state=state, nonce=nonce, verifier=verifier)

    def finish(self, back: str, answer: Mapping[str, str], *, nonce: str, verifier: str, now_ms: int) -> Outside:
        """Who it is, by what the browser brought back (whose state the caller has checked).

        Raises NotSignedIn(`provider-refused`, `provider-token`), Unwritable(`provider-away`).
        """
        found = self._discovered(now_ms)
        says_who = "iss" in answer or found.get("authorization_response_iss_parameter_supported")
        if says_who and answer.get("iss") != self.issuer:
            # RFC 9207: an answer of another provider's is not ours to take.
            raise NotSignedIn("provider-token", "the answer is of another provider")
        if "error" in answer or not answer.get("code"):
            raise NotSignedIn("provider-refused", "the provider did not sign you in")
        try:
            with self._talking(now_ms), self._oauth(back) as client:
                token = client.fetch_token(
                    found["token_endpoint"],
                    grant_type="authorization_code",
                    code=answer["code"],
                    code_verifier=verifier,
                )
        except (OAuthError, AuthlibBaseError) as error:
            raise NotSignedIn("provider-refused", "the provider did not sign you in") from error
        except (httpx.HTTPError, ValueError) as error:
            raise _away() from error
        raw = token.get("id_token")
        if not isinstance(raw, str):
            raise NotSignedIn("provider-token", "the provider said nothing about who you are")
        return self._verified(raw, nonce, str(token.get("access_token") or ""), now_ms)

    def _verified(self, raw: str, nonce: str, access_token: str, now_ms: int) -> Outside:
        try:
            decoded = self._decoded(raw, now_ms)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {
                    "iss": {"essential": True, "value": self.issuer},
                    "aud": {"essential": True, "value": self._client_id},
                    "sub": {"essential": True},
                    "nonce": {"essential": True, "value": nonce},
                },
                {"nonce": nonce, "client_id": self._client_id, "access_token": access_token or None},
            )
            claims.validate(now=now_ms // 1000, leeway=LEEWAY_S)
        except (JoseError, AuthlibBaseError, ValueError, TypeError, KeyError) as error:
            raise NotSignedIn("provider-token", "what the provider said does not hold") from error
        audience = decoded.claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and decoded.claims.get("azp") != self._client_id:
            raise NotSignedIn("provider-token", "what the provider said is for somebody else too")
        subject = decoded.claims["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise NotSignedIn("provider-token", "what the provider said names nobody")
        return Outside(issuer=self.issuer, subject=subject, claims=dict(decoded.claims))

    def _decoded(self, raw: str, now_ms: int) -> jwt.Token:
        found = self._discovered(now_ms)
        said = found.get("id_token_signing_alg_values_supported") or ["RS256"]
        allowed = [one for one in SIGNED if one in said]
        try:
            return jwt.decode(raw, self._key_set(now_ms), algorithms=allowed)
        except (JoseError, ValueError):
            # The provider may have a new key since.
            if not self._keys_anew(now_ms):
                raise
        return jwt.decode(raw, self._key_set(now_ms), algorithms=allowed)

    def _discovered(self, now_ms: int) -> dict[str, Any]:
        with self._lock:
            if self._metadata is not None and now_ms - self._read_ms < KEPT_MS:
                return self._metadata
        with self._talking(now_ms):
            found = self._get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        # Discovery §4.3: it must be the very issuer that was asked.
        if found.get("issuer") != self.issuer:
            raise BadSetting("provider-issuer", f"oidc_issuer is {self.issuer}, and the provider says it is another")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            self._need_safe(found.get(name))
        with self._lock:
            self._metadata, self._read_ms = found, now_ms
        return found

    @contextmanager
    def _talking(self, now_ms: int) -> Iterator[None]:
        """Ask the provider something. Strangers can make us ask: one that does not answer must not hold every thread.

        Raises Unwritable(`provider-away`), at once where it did not answer just before or many ask already.
        """
        with self._lock:
            if self._away_ms is not None and 0 <= now_ms - self._away_ms < AWAY_MS:
                raise _away()
        if not self._asking.acquire(blocking=False):
            raise _away()
        try:
            yield
        except (Unwritable, httpx.TransportError):
            with self._lock:
                self._away_ms = now_ms
            raise
        else:
            with self._lock:
                self._away_ms = None
        finally:
            self._asking.release()

    def _need_safe(self, address: object) -> None:
        """An endpoint is https, or plain http on the same host as an issuer that is so itself (a test, a demo)."""
        issuer, parts = urlsplit(self.issuer), urlsplit(str(address or ""))
        same = parts.scheme == issuer.scheme == "http" and parts.hostname == issuer.hostname
        if not (parts.hostname and (parts.scheme == "https" or same)):
            raise BadSetting("provider-address", "the provider names an address that is not https")

    def _key_set(self, now_ms: int) -> KeySet:
        with self._lock:
            if self._keys is not None and now_ms - self._keys_ms < KEPT_MS:
                return self._keys
        address = self._discovered(now_ms)["jwks_uri"]
        with self._talking(now_ms):
            keys = KeySet.import_key_set(self._get(address))  # type: ignore[arg-type]
        with self._lock:
            self._keys, self._keys_ms = keys, now_ms
        return keys

    def _keys_anew(self, now_ms: int) -> bool:
        with self._lock:
            if self._keys is not None and now_ms - self._keys_ms < KEYS_AGAIN_MS:
                return False
            self._keys = None
            return True

    def _get(self, address: str) -> dict[str, Any]:
        try:
            answer = httpx.get(address, headers={"accept": "application/json"}, timeout=TIMEOUT_S)
            answer.raise_for_status()
            found = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise _away() from error
        if not isinstance(found, dict):
            raise _away()
        return found

    def _oauth(self, back: str) -> Any:
        # Any: the package's types know only the other of the two httpx that it can stand on.
        return OAuth2Client(
            client_id=self._client_id,
            client_secret=self._secret or None,
            token_endpoint_auth_method="client_secret_basic" if self._secret else "none",
            scope="openid profile email",
            redirect_uri=back,
            code_challenge_method="S256",
            timeout=TIMEOUT_S,
        )


def _away() -> Unwritable:
    return Unwritable("provider-away", "the provider cannot be reached now: sign in with your password, or try later")


def of(settings: Settings) -> Provider | None:
    """The provider that the settings name. Raises BadSetting(`oidc-secret`)."""
    if not settings.oidc_issuer:
        return None
    return Provider(settings.oidc_issuer, settings.oidc_client_id, _secret(settings.oidc_client_secret_file))


def _secret(path: Path) -> str:
    if path == Path():
        return ""
    try:
        if path.stat().st_mode & 0o077:
            raise BadSetting("oidc-secret", f"{path} may be read by others: chmod 600 {path}")
        found = path.read_text("utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting("oidc-secret", f"{path} cannot be read") from error
    if not found:
        raise BadSetting("oidc-secret", f"{path} holds no secret in its first line")
    return found
