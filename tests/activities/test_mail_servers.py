"""Mail servers that refuse, hang, ask for a password or speak TLS: what the mailer makes of each."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from activities.mail.protocol import MailDeferred, MailMessage, MailNotSent, MailUndeliverable
from activities.mail.smtp import SmtpAccount, SmtpMailer, SmtpSecurity
from tests.patience import PATIENCE

MAIL = MailMessage(message_id="receipt/1", to="ada@aurora.example", subject="Receipt", text="Thank you.\n")


def account(port: int) -> SmtpAccount:
    return SmtpAccount(host="127.0.0.1", port=port, sender="billing@scrip.example", timeout=PATIENCE)


async def test_a_server_that_is_not_there_defers_the_mail() -> None:
    with pytest.raises(MailDeferred, match="could not be handed over"):
        await SmtpMailer(account(1)).send(MAIL)


def test_a_sender_that_is_no_address_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="is no sender of mail"):
        SmtpMailer(replace(account(25), sender="Scrip"))


@dataclass
class Gatekeeper:
    """An SMTP server with scripted answers that remembers what it let through."""

    answers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    kept: list[bytes] = field(default_factory=list)
    passwords: list[object] = field(default_factory=list)

    async def handle_MAIL(self, s: SMTP, _: Session, envelope: Envelope, address: str, __: Sequence[str]) -> str:  # noqa: N802
        envelope.mail_from = address
        return self.answers.get("MAIL", "250 OK")

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.hangs:
            await asyncio.Event().wait()
        answer = self.answers.get("DATA", "250 OK")
        if answer.startswith("250"):
            self.kept.append(envelope.original_content or b"")
        return answer

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        self.passwords.append(getattr(data, "password", None))
        return AuthResult(success=self.passwords[-1] == b"right", handled=False)


@asynccontextmanager
async def a_server(
    keeper: Gatekeeper, *, upgrade: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    sessions: list[SMTP] = []

    def session() -> SMTP:
        sessions.append(
            SMTP(
                keeper,
                hostname="gate",
                tls_context=upgrade,
                authenticator=keeper.authenticate,
                auth_require_tls=False,
                loop=loop,
            )
        )
        return sessions[-1]

    server = await loop.create_server(session, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]
    for one in sessions:
        if one.transport is not None:
            one.transport.close()


@pytest.mark.parametrize(
    ("answers", "verdict", "code"),
    [
        ({"DATA": "552 Too large"}, MailUndeliverable, 552),
        ({"DATA": "554 Looks like spam"}, MailUndeliverable, 554),
        ({"DATA": "452 Disk full"}, MailDeferred, 452),
        ({"MAIL": "553 Sender not welcome"}, MailUndeliverable, 553),
        ({"MAIL": "530 Authentication required"}, MailDeferred, 530),
        ({"MAIL": "421 Closing down"}, MailDeferred, 421),
    ],
)
async def test_only_a_lasting_refusal_of_the_message_is_final(
    answers: dict[str, str], verdict: type[MailNotSent], code: int
) -> None:
    keeper = Gatekeeper(answers)

    async with a_server(keeper) as port:
        with pytest.raises(MailNotSent) as refusal:
            await SmtpMailer(account(port)).send(MAIL)

    assert (type(refusal.value), refusal.value.code) == (verdict, code)
    assert keeper.kept == []


async def test_a_server_that_does_not_answer_in_time_defers_the_mail() -> None:
    async with a_server(Gatekeeper(hangs=True)) as port:
        with pytest.raises(MailDeferred):
            await SmtpMailer(replace(account(port), timeout=timedelta(milliseconds=300))).send(MAIL)


def a_certificate(folder: Path) -> tuple[ssl.SSLContext, str]:
    """A server's certificate for 127.0.0.1, and the file of the authority to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return context, str(folder / "ca.pem")


async def test_tls_from_the_first_byte_needs_a_certificate_that_is_trusted(tmp_path: Path) -> None:
    keeper = Gatekeeper()
    context, authority = a_certificate(tmp_path)

    async with a_server(keeper, tls=context) as port:
        secure = replace(account(port), security=SmtpSecurity.TLS)
        with pytest.raises(MailDeferred, match="certificate"):
            await SmtpMailer(secure).send(MAIL)
        assert keeper.kept == []
        await SmtpMailer(replace(secure, ca_file=authority)).send(MAIL)

    assert len(keeper.kept) == 1


@pytest.mark.parametrize("security", [SmtpSecurity.STARTTLS, SmtpSecurity.OPPORTUNISTIC])
async def test_the_password_is_given_after_the_upgrade(tmp_path: Path, security: SmtpSecurity) -> None:
    keeper = Gatekeeper()
    context, authority = a_certificate(tmp_path)

    async with a_server(keeper, upgrade=context) as port:
        signed_in = replace(account(port), security=security, user="scrip", password="right", ca_file=authority)
        await SmtpMailer(signed_in).send(MAIL)
        with pytest.raises(MailDeferred) as refusal:
            await SmtpMailer(replace(signed_in, password="wrong")).send(MAIL)

    assert (len(keeper.kept), refusal.value.code) == (1, 535)


@pytest.mark.parametrize(("security", "user"), [(SmtpSecurity.STARTTLS, None), (SmtpSecurity.OPPORTUNISTIC, "scrip")])
async def test_nothing_is_said_in_the_clear_when_encryption_is_asked_for(
    security: SmtpSecurity, user: str | None
) -> None:
    keeper = Gatekeeper()

    async with a_server(keeper) as port:
        strict = replace(account(port), security=security, user=user, password="right" if user else None)
        with pytest.raises(MailDeferred):
            await SmtpMailer(strict).send(MAIL)

    assert (keeper.kept, keeper.passwords) == ([], [])


@pytest.mark.parametrize("security", [SmtpSecurity.OPPORTUNISTIC, SmtpSecurity.NONE])
async def test_a_server_without_encryption_is_used_when_that_is_allowed(security: SmtpSecurity) -> None:
    keeper = Gatekeeper()

    async with a_server(keeper) as port:
        await SmtpMailer(replace(account(port), security=security)).send(MAIL)

    assert len(keeper.kept) == 1
