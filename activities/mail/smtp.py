"""The mailer that speaks SMTP.

One connection per message: receipts are rare and a kept connection would only add a way to fail. What counts is the
answer. A server that refuses this message for good makes it undeliverable; a server that refuses *us* (greeting,
sign-in, certificate) is a fault of the set-up, so the message waits until somebody has repaired it. Bounces that arrive
later by mail are not read.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import parseaddr
from enum import StrEnum

import aiosmtplib

from activities.documents.figures import one_line
from activities.mail.protocol import Attachment, MailDeferred, MailMessage, MailNotSent, MailUndeliverable

MESSAGE_ID_DOMAIN = "scrip"
DELIVERY_TIMEOUT = timedelta(seconds=30)
LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")
CONTENT_TYPE = re.compile(r"(?P<main>[a-z]+)/(?P<sub>[a-z0-9.+-]+)")
LOCAL_PART_LENGTH_MAX = 64
ADDRESS_LENGTH_MAX = 254
# Answers to MAIL FROM that ask for sign-in or encryption: about our set-up, not about the message.
ACCESS_CODES = frozenset((530, 534, 535, 538))
PERMANENT = range(500, 600)


class SmtpSecurity(StrEnum):
    """How the connection is encrypted. Certificates are always verified.

    TLS             from the first byte (port 465).
    STARTTLS        upgraded before anything else is said, or not used at all (port 587).
    OPPORTUNISTIC   upgraded when the server offers it; with a user it is as strict as STARTTLS.
    NONE            in the clear: for a server on the same machine.
    """

    TLS = "TLS"
    STARTTLS = "STARTTLS"
    OPPORTUNISTIC = "OPPORTUNISTIC"
    NONE = "NONE"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpAccount:
    """Where mail is handed over and in whose name.

    sender         `Scrip <billing@scrip.example>` or a bare address.
    ca_file        certificates to trust instead of the machine's own, in PEM.
    timeout        how long one delivery may take in all.
    """

    host: str
    port: int
    sender: str
    user: str | None = None
    password: str | None = None
    security: SmtpSecurity = SmtpSecurity.OPPORTUNISTIC
    ca_file: str | None = None
    timeout: timedelta = DELIVERY_TIMEOUT


def _now() -> datetime:
    return datetime.now(UTC)


class SmtpMailer:
    """A `Mailer` over one SMTP account. Raises ValueError when the account's sender is no address."""

    def __init__(self, account: SmtpAccount, *, clock: Callable[[], datetime] = _now) -> None:
        self._account = account
        self._clock = clock
        name, address = parseaddr(one_line(account.sender))
        try:
            self._from = _address(address, name=name)
        except MailUndeliverable as bad:
            raise ValueError(f"{account.sender!r} is no sender of mail") from bad

    async def send(self, message: MailMessage) -> None:
        """Hand the message over; see `Mailer.send`."""
        recipient = _address(message.to)
        letter = self._letter(message, recipient)
        try:
            async with asyncio.timeout(self._account.timeout.total_seconds()), self._connection() as server:
                await server.send_message(letter, sender=self._from.addr_spec, recipients=[recipient.addr_spec])
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as failure:
            raise _verdict(failure) from failure

    def _connection(self) -> aiosmtplib.SMTP:
        account = self._account
        upgrade: bool | None = None
        if account.security in (SmtpSecurity.TLS, SmtpSecurity.NONE):
            upgrade = False
        elif account.security is SmtpSecurity.STARTTLS or account.user is not None:
            # A password must not be sent in the clear because somebody on the way hid the offer to encrypt.
            upgrade = True
        return aiosmtplib.SMTP(
            hostname=account.host,
            port=account.port,
            username=account.user,
            password=account.password,
            use_tls=account.security is SmtpSecurity.TLS,
            start_tls=upgrade,
            cert_bundle=account.ca_file,
            local_hostname=self._from.domain,
            timeout=account.timeout.total_seconds(),
        )

    def _letter(self, message: MailMessage, recipient: Address) -> EmailMessage:
        letter = EmailMessage(policy=SMTP_POLICY)
        letter["Message-ID"] = f"<{message.message_id}@{MESSAGE_ID_DOMAIN}>"
        letter["Date"] = self._clock()
        letter["From"] = self._from
        letter["To"] = recipient
        letter["Subject"] = one_line(message.subject)
        # Tells holiday repliers to keep quiet.
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(_encodable(message.text), cte="quoted-printable")
        if message.html is not None:
            letter.add_alternative(_encodable(message.html), subtype="html", cte="quoted-printable")
        for attachment in message.attachments:
            _attach(letter, attachment)
        return letter


def _address(text: str, *, name: str = "") -> Address:
    """A single plain address; the domain may be international. Raises MailUndeliverable, so that a customer's broken
    address ends like any other that nobody answers at."""
    local, _, domain = text.rpartition("@")
    try:
        domain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        domain = ""
    fits = len(local) <= LOCAL_PART_LENGTH_MAX and len(local) + len(domain) < ADDRESS_LENGTH_MAX
    if not (fits and LOCAL_PART.fullmatch(local) and DOMAIN.fullmatch(domain)):
        raise MailUndeliverable(f"{text!r} is no mail address")
    return Address(display_name=name, username=local, domain=domain)


def _attach(letter: EmailMessage, attachment: Attachment) -> None:
    kind = CONTENT_TYPE.fullmatch(attachment.content_type)
    if kind is None:
        raise ValueError(f"{attachment.content_type!r} is no content type")
    letter.add_attachment(
        attachment.content, maintype=kind["main"], subtype=kind["sub"], filename=one_line(attachment.name)
    )


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _verdict(failure: Exception) -> MailNotSent:
    """What a failed delivery means: a 5xx about the message is final, all else may pass."""
    if isinstance(failure, aiosmtplib.SMTPRecipientsRefused):
        failure = failure.recipients[0]
    about_the_message = isinstance(
        failure, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPSenderRefused | aiosmtplib.SMTPDataError
    )
    if not isinstance(failure, aiosmtplib.SMTPResponseException):
        return MailDeferred(f"The mail could not be handed over: {str(failure) or type(failure).__name__}")
    reason = f"The mail server answered {failure.code} {one_line(failure.message)}"
    if about_the_message and failure.code in PERMANENT and failure.code not in ACCESS_CODES:
        return MailUndeliverable(reason, code=failure.code)
    return MailDeferred(reason, code=failure.code)
