"""The folder of a captured mailbox: every message an `.eml` file that any mail program opens.

The same Message-ID to the same recipient is one message, kept as it first came, with a count of its deliveries. What
SMTP knew and the mail does not say (recipient, arrival, count) stands in four header lines that are put before it.
Files are replaced whole, so a mailbox that is killed in the middle of a delivery still opens. This is for laptops and
tests: nothing is ever removed but by `clear`.
"""

import contextlib
import hashlib
import os
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern
from pathlib import Path

HEAD = re.compile(
    rb"X-Captured-From: (?P<sender>[^\r\n]*)\r\nX-Captured-To: (?P<recipient>[^\r\n]*)\r\n"
    rb"X-Captured-At: (?P<at>[^\r\n]+)\r\nX-Captured-Deliveries: (?P<deliveries>[0-9]+)\r\n"
)
SAFE_CONTENT_TYPE = re.compile(r"[a-z0-9.+-]+/[a-z0-9.+-]+")
UNREADABLE = "(unreadable)"


@dataclass(frozen=True, slots=True)
class CapturedAttachment:
    name: str
    content_type: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedMessage:
    """One message to one recipient. `received_at` is its first arrival, `deliveries` how often it came."""

    id: str
    message_id: str
    sender: str
    recipient: str
    subject: str
    received_at: datetime
    deliveries: int
    attachments: tuple[CapturedAttachment, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """A message with what it says; `files` are the contents of its attachments, in order."""

    summary: CapturedMessage
    text: str | None
    html: str | None
    files: tuple[bytes, ...]


class CapturedFolder:
    """What the mailbox holds. All methods block for the disk and may be called from any thread."""

    def __init__(self, folder: Path, *, clock: Callable[[], datetime]) -> None:
        self._folder = folder
        self._clock = clock
        # Two deliveries of one message at the same time would both read a count of one and both write two.
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        for unfinished in folder.glob("*.tmp"):
            unfinished.unlink()
        self._summaries = {
            opened.summary.id: opened.summary for path in folder.glob("*.eml") if (opened := _open(path)) is not None
        }

    def keep(self, content: bytes, *, sender: str, recipients: Sequence[str]) -> None:
        """The message is on disk for every recipient, or counted once more. Raises OSError when it could not be."""
        with self._lock:
            for recipient in recipients:
                self._keep_one(content, sender, recipient)

    def summaries(self, recipient: str | None = None) -> tuple[CapturedMessage, ...]:
        """All messages, or those to one recipient; the newest first."""
        with self._lock:
            wanted = [one for one in self._summaries.values() if recipient is None or one.recipient == recipient]
        return tuple(sorted(wanted, key=lambda one: (one.received_at, one.id), reverse=True))

    def open(self, message: str) -> Opened | None:
        """The message with this id and what is in it, or None."""
        with self._lock:
            known = message in self._summaries and self._path(message).exists()
            return _open(self._path(message)) if known else None

    def clear(self) -> None:
        """The mailbox is empty."""
        with self._lock:
            for message in tuple(self._summaries):
                self._path(message).unlink(missing_ok=True)
                del self._summaries[message]

    def _path(self, message: str) -> Path:
        return self._folder / f"{message}.eml"

    def _keep_one(self, content: bytes, sender: str, recipient: str) -> None:
        name = hashlib.sha256(_identity(content) + b"\n" + recipient.encode("utf-8", "replace")).hexdigest()[:32]
        known = self._summaries.get(name)
        if known is None or not self._path(name).exists():
            head = _head(sender, recipient, at=self._clock(), deliveries=1)
            self._write(name, head + content)
        else:
            kept = HEAD.sub(b"", self._path(name).read_bytes(), count=1)
            head = _head(sender, recipient, at=known.received_at, deliveries=known.deliveries + 1)
            self._write(name, head + kept)

    def _write(self, name: str, content: bytes) -> None:
        unfinished = self._folder / f"{name}.tmp"
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._path(name))
        opened = _open(self._path(name))
        if opened is not None:
            self._summaries[name] = opened.summary


def _head(sender: str, recipient: str, *, at: datetime, deliveries: int) -> bytes:
    return (
        f"X-Captured-From: {_line(sender)}\r\nX-Captured-To: {_line(recipient)}\r\n"
        f"X-Captured-At: {at.astimezone(UTC).isoformat()}\r\nX-Captured-Deliveries: {deliveries}\r\n"
    ).encode("utf-8", "replace")


def _line(text: str) -> str:
    return " ".join(_sound(text).split())


def _sound(text: str) -> str:
    """The text without the lone surrogates that the parser leaves where bytes are not what they claim to be."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _identity(content: bytes) -> bytes:
    """The Message-ID, or the content itself where there is none."""
    found = _header(_parsed(content), "Message-ID")
    return found.encode() if found else content


def _parsed(content: bytes) -> EmailMessage:
    return message_from_bytes(content, policy=modern)


def _open(path: Path) -> Opened | None:
    """A file of the folder; None when it was not written by a mailbox."""
    content = path.read_bytes()
    head = HEAD.match(content)
    if head is None:
        return None
    message = _parsed(content[head.end() :])
    parts = _attached(message)
    files = tuple(_content(part) for part in parts)
    summary = CapturedMessage(
        id=path.stem,
        message_id=_header(message, "Message-ID"),
        sender=_header(message, "From") or head["sender"].decode("utf-8", "replace"),
        recipient=head["recipient"].decode("utf-8", "replace"),
        subject=_header(message, "Subject"),
        received_at=datetime.fromisoformat(head["at"].decode("ascii")),
        deliveries=int(head["deliveries"]),
        attachments=tuple(
            CapturedAttachment(_name(part, index), _content_type(part), len(file))
            for index, (part, file) in enumerate(zip(parts, files, strict=True))
        ),
    )
    return Opened(summary, _body(message, "plain"), _body(message, "html"), files)


# The parser raises whatever it likes on a broken mail, and a mailbox that hides broken mails would be of no use; so the
# four readers below show what cannot be read as such.


def _header(message: EmailMessage, name: str) -> str:
    try:
        return _line(str(message[name] or ""))
    except Exception:
        return UNREADABLE


def _attached(message: EmailMessage) -> tuple[EmailMessage, ...]:
    parts: tuple[EmailMessage, ...] = ()
    with contextlib.suppress(Exception):
        parts = tuple(message.iter_attachments())
    return parts


def _content(part: EmailMessage) -> bytes:
    try:
        content = part.get_payload(decode=True)
    except Exception:
        content = None
    return content if isinstance(content, bytes) else b""


def _body(message: EmailMessage, kind: str) -> str | None:
    try:
        part = message.get_body(preferencelist=(kind,))
        return None if part is None else _sound(str(part.get_content())).replace("\r\n", "\n")
    except Exception:
        return UNREADABLE


def _name(part: EmailMessage, index: int) -> str:
    try:
        return _line(part.get_filename() or "") or f"attachment-{index}"
    except Exception:
        return f"attachment-{index}"


def _content_type(part: EmailMessage) -> str:
    kind = part.get_content_type()
    return kind if SAFE_CONTENT_TYPE.fullmatch(kind) else "application/octet-stream"
