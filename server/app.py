"""Wiring: the server's parts put together. Nothing is decided here."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from argon2 import PasswordHasher
from fastapi import FastAPI

from server.api import broker, claims, errors, fleet, gateway, health, limits, renewals, residence, v1
from server.audit_key import AuditKey
from server.clock import Clock
from server.compressed import Compressed, Static
from server.errors import StoreError
from server.fleet.alerting import Alerting
from server.fleet.telling import Targets, Telling
from server.fleet.watch import Watch
from server.jobs import Jobs
from server.mail_line import Account
from server.mailer import Mailer
from server.outbox import Outbox
from server.policy import fleet_rules, retention
from server.retention import Retention
from server.schedules import Schedules
from server.settings import Settings
from server.store import attachments, copies, gateways, profile_versions
from server.store.engine import Engine, reading
from server.store.readers import KeyRing
from server.thinning import Thinning
from server.vault import Vault

TITLE = "Muster"


def make_app(
    settings: Settings,
    engine: Engine,
    clock: Clock,
    vault: Vault,
    *,
    hasher: PasswordHasher | None = None,
    work: bool = True,
) -> FastAPI:
    """The server as an ASGI app. work: run the background jobs while it lives (a test may do them itself)."""
    ring = KeyRing(vault)
    profiles = profile_versions.load(engine, settings.profiles_dir, settings.time_zone, clock.now_ms())
    rules, targets = fleet_rules.load(settings.fleet_rules_file), _targets(settings)
    audit_dir = settings.audit_dir if settings.audit_dir != Path() else None
    jobs = Jobs(
        engine,
        ring,
        profiles,
        clock,
        audit_dir=audit_dir,
        audit_key=partial(AuditKey.of, settings.data_dir, vault),
        outbox=None if settings.smtp_host else Outbox(settings.data_dir / "outbox", sender=settings.mail_from),
        thinning=Thinning(engine, settings.reader_heads_days) if settings.reader_heads_days else None,
        retention=Retention(engine, retention.load(settings.retention_file), letters_in=settings.data_dir / "outbox")
        if settings.retention
        else None,
        fleet=Alerting(engine, rules, targets.channels, watch=Watch(engine)).step,
    )
    telling = Telling(engine, clock, targets) if targets.channels else None
    mailer = Mailer(engine, clock, _smtp(settings)) if settings.smtp_host else None
    scheduled = Schedules(engine, clock, vault, settings.import_dir, profiles, wake=jobs.wake)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        if work:
            # Nobody waits for it, and a database that cannot be read is told of elsewhere.
            with suppress(StoreError), reading(engine) as connection:
                attachments.sweep(connection, attachments.folder_of(settings.data_dir))
            jobs.start()
            scheduled.start()
            for one in (mailer, telling):
                if one is not None:
                    one.start()
        yield
        if work:
            for one in (mailer, telling):
                if one is not None:
                    one.stop()
            scheduled.stop()
            jobs.stop()

    app = FastAPI(title=TITLE, version="0.1.0", lifespan=lifespan)
    state = app.state
    state.settings, state.engine, state.clock, state.vault, state.ring = settings, engine, clock, vault, ring
    state.profiles, state.jobs, state.wake = profiles, jobs, jobs.wake
    state.schedules = scheduled
    state.hasher = hasher or PasswordHasher()
    state.counters = health.Counters()
    state.claims = claims.Claims()
    state.fleet_rules = rules
    state.restores = copies.Restores(engine)
    errors.install(app)

    def is_gateway(token: str) -> bool:
        with reading(engine) as connection:
            return gateways.find(connection, token) is not None

    app.add_middleware(Compressed)
    app.add_middleware(limits.Bodies, is_gateway=is_gateway)
    # Their routes as they are: included, each of them would be built anew for each app, at its first request.
    for part in (gateway, broker, renewals, v1, residence, health, claims, fleet):
        app.router.routes.extend(part.router.routes)
    if importlib.util.find_spec("server.pages") is not None:
        pages = importlib.import_module("server.pages")
        static = Path(__file__).parent / "pages" / "static"
        if static.is_dir():
            app.mount("/static", Static(directory=static), name="static")
        if hasattr(pages, "install"):
            pages.install(app)
        elif hasattr(pages, "router"):
            app.include_router(pages.router)
        state.problem = importlib.import_module("server.pages.guard").nowhere
    return app


def _targets(settings: Settings) -> Targets:
    return Targets(
        mail_to=settings.alerts_mail,
        mail_from=settings.mail_from,
        smtp=_smtp(settings) if settings.smtp_host else None,
        outbox=settings.data_dir / "outbox",
        webhook=settings.alerts_webhook,
        secret_file=settings.alerts_webhook_secret_file,
    )


def _smtp(settings: Settings) -> Account:
    return Account(
        host=settings.smtp_host,
        port=settings.smtp_port,
        tls=settings.smtp_tls,
        user=settings.smtp_user,
        password_file=settings.smtp_password_file,
        sender=settings.mail_from,
    )
