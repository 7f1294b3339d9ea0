"""The one language Scrip speaks with whoever carries its mail.

A message has an id made from the business (`receipt/<purchase id>`), so a mail that is sent again after a fault is
recognisably the same one: a mailbox shows it once, a log shows it twice. Sending answers with nothing, or says whether
trying again can help. One message goes to one person.
"""

import re
from dataclasses import dataclass
from typing import Protocol

# What may stand left of the @ in a Message-ID without quotes; long enough for two ids and a step.
MESSAGE_ID = re.compile(r"[A-Za-z0-9/_=+-]+(\.[A-Za-z0-9/_=+-]+)*")
MESSAGE_ID_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that travels with a message. `content_type` is `type/subtype`, without parameters."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MailMessage:
    """What one person is told.

    message_id    derived from business ids by the caller; the same id means the same mail.
    to            one bare address, `ada@aurora.example`.
    subject       one line; line breaks in it become spaces before it is sent.
    text          always there; `html` says the same to those who prefer it.
    Raises        ValueError when `message_id` cannot stand in a Message-ID.
    """

    message_id: str
    to: str
    subject: str
    text: str
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()

    def __post_init__(self) -> None:
        if len(self.message_id) > MESSAGE_ID_LENGTH_MAX or not MESSAGE_ID.fullmatch(self.message_id):
            raise ValueError(f"{self.message_id!r} cannot be the id of a mail")


class MailNotSent(Exception):
    """Nobody took the message. `code` is the server's answer, None when there was none."""

    def __init__(self, reason: str, *, code: int | None = None) -> None:
        super().__init__(reason)
        self.code = code


class MailUndeliverable(MailNotSent):
    """This message will never reach this address; `code` is None when the address is no address."""


class MailDeferred(MailNotSent):
    """The mail could not be handed over now, or nobody knows whether it was. Send it again, with the same id."""


class Mailer(Protocol):
    async def send(self, message: MailMessage) -> None:
        """Hand the message over. Returning means that the next server has taken responsibility for it.

        Safe to repeat: a second delivery carries the same Message-ID.
        Raises    MailUndeliverable (give up), MailDeferred (try again).
        """
        ...
