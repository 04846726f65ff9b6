"""When what readers know a server by ends: certificates that the authority issued, and the authority itself.

Only the newest of each server is known: whoever issues another one has answered the warning about the one before.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from server import certificates
from server.errors import NotFound
from server.scope import Scope
from server.store import authorities, campus
from server.store.schema_certificates import issued_certificate
from server.store.upsert import over

DAY_MS = 86_400_000
#: what the authority is called among the names
AUTHORITY = "the certificate authority"


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Something that ends. name: a server's, or AUTHORITY."""

    name: str
    ends_ms: int

    @property
    def is_authority(self) -> bool:
        """It is the authority itself."""
        return self.name == AUTHORITY

    def days(self, now_ms: int) -> float:
        """Days that are left; less than nothing: it has ended."""
        return (self.ends_ms - now_ms) / DAY_MS


def note(connection: Connection, institution_id: int, name: str, certificate: bytes, now_ms: int) -> int:
    """A server of this name has got this certificate (PEM): the one before it is of no account. Returns when it ends."""
    ends_ms = certificates.ends_ms(certificate)
    made = over(connection, issued_certificate, ("institution_id", "name"), ("issued_ms", "ends_ms"))
    connection.execute(made.values(institution_id=institution_id, name=name[:253], issued_ms=now_ms, ends_ms=ends_ms))
    return ends_ms


def forget(connection: Connection, scope: Scope, name: str, now_ms: int) -> None:
    """There is no such server any more: nobody waits for its next certificate. Raises NotAllowed, NotFound(`certificate`)."""
    scope.need("doors.tend")
    mine = (issued_certificate.c.institution_id == scope.institution_id, issued_certificate.c.name == name)
    found = connection.execute(select(issued_certificate.c.id).where(*mine)).scalar()
    if found is None:
        raise NotFound("certificate", f"no certificate was issued to {name}: `muster ca show` names them")
    connection.execute(delete(issued_certificate).where(issued_certificate.c.id == found))
    campus.write_down(connection, scope, "ca.forget", f"certificate:{found}", now_ms)


def every(connection: Connection, institution_id: int) -> list[Ending]:
    """All that ends, the next first; the authority among it."""
    query = select(issued_certificate.c.name, issued_certificate.c.ends_ms).where(
        issued_certificate.c.institution_id == institution_id
    )
    found = [Ending(name=row.name, ends_ms=row.ends_ms) for row in connection.execute(query)]
    held = authorities.certificate(connection, institution_id)
    if held is not None:
        found.append(Ending(name=AUTHORITY, ends_ms=certificates.span_ms(held)[1]))
    return sorted(found, key=lambda one: (one.ends_ms, one.name))
