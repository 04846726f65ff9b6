"""The server as a test client, over a world, with accounts of each role. Jobs run only when the test steps them."""

from argon2 import PasswordHasher
from fastapi.testclient import TestClient

from server.app import make_app
from server.clock import Clock
from server.settings import Settings
from server.store import accounts, gateways, schema, tokens
from server.store.engine import writing

PASSWORD = "correct horse battery"


class Server:
    def __init__(self, world) -> None:
        self.world = world
        hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        self.app = make_app(
            Settings(), world.engine, Clock(real=lambda: world.now_ms / 1000), world.vault, hasher=hasher, work=False
        )
        self.client = TestClient(self.app, raise_server_exceptions=False)
        self.tokens = {}
        self.lecturer = world.person("Lect")
        with writing(world.engine) as connection:
            for role in ("admin", "lecturer", "technician"):
                accounts.make(
                    connection,
                    world.institution_id,
                    login_name=role,
                    shown_name=role,
                    password_hash=hasher.hash(PASSWORD),
                    role=role,
                    person_id=self.lecturer if role == "lecturer" else None,
                    now_ms=world.now_ms,
                )
                self.tokens[role] = tokens.make(connection, role, "test", world.now_ms)
            self.gateway = gateways.add(connection, world.institution_id, "g1", world.now_ms)

    def teach(self, session_id: int) -> None:
        self.world.insert(schema.session_staff, session_id=session_id, person_id=self.lecturer, from_ms=0)

    def ask(self, method: str, path: str, role: str | None = None, **more):
        headers = {"Authorization": f"Bearer {self.tokens[role]}"} if role else {}
        return self.client.request(method, path, headers=headers, **more)

    def deliver(self, *items, token: str | None = None):
        return self.client.post(
            "/api/gateway/v1/deliveries",
            headers={"Authorization": f"Bearer {token or self.gateway}"},
            json={"items": list(items)},
        )
