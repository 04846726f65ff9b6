"""A provider on loopback that says whatever the test wants: its tokens are made by the test, right or wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT = "muster"


class EvilProvider:
    """id_token: called with the nonce of the flow, answers the token. asked: the form of each token request."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
        self.id_token: Callable[[], str] = lambda: ""
        self.nonce = ""
        self.asked: list[dict[str, str]] = []
        self.metadata: dict[str, Any] = {}
        mine = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                said = mine._metadata() if "openid-configuration" in self.path else mine._keys()
                self._say(said)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                mine.asked.append({name: values[0] for name, values in parse_qs(body).items()})
                self._say({"access_token": "at", "token_type": "Bearer", "id_token": mine.id_token()})

            def _say(self, what: Mapping[str, Any]):
                data = json.dumps(what).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        } | self.metadata

    def _keys(self) -> dict[str, Any]:
        return {"keys": [self.key.as_dict(private=False)]}

    def claims(self, now_s: int, **other: Any) -> dict[str, Any]:
        """What a right token says; None takes a claim away."""
        said = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "sub-ada",
            "nonce": self.nonce,
            "iat": now_s,
            "exp": now_s + 300,
            "preferred_username": "ada",
        } | other
        return {name: value for name, value in said.items() if value is not None}

    def signed(self, claims: Mapping[str, Any], *, alg: str = "RS256", key: Any = None) -> str:
        return jwt.encode({"alg": alg, "kid": self.key.kid}, dict(claims), key or self.key, algorithms=[alg])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
