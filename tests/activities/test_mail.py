"""Mail sent over real SMTP to the real mailbox process, and read back over HTTP."""

import asyncio
import hashlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from activities.mail.protocol import Attachment, MailDeferred, Mailer, MailMessage, MailUndeliverable
from activities.mail.smtp import SmtpAccount, SmtpMailer
from tests.patience import PATIENCE, PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
SENT_AT = datetime(2026, 3, 14, 15, 4, 5, tzinfo=UTC)
PDF = b"%PDF-1.7\r\n" + bytes(range(256)) * 300 + b"\r\n.\r\n%%EOF"
MAIL = MailMessage(
    message_id="receipt/0198d2f4-6f3e-7c1a-9e55-3d0f4a1b2c3d",
    to="ada@aurora.example",
    subject="Receipt für Aurora – 10,500 tokens",
    text="Grüße\n.\n-- \nScrip\n",
    html="<p>Grüße</p>\n",
    attachments=(Attachment("TOK-2026-000042.pdf", "application/pdf", PDF),),
)


@dataclass
class Mailbox:
    process: asyncio.subprocess.Process
    smtp_port: int
    url: str

    async def get(self, path: str) -> httpx2.Response:
        async with httpx2.AsyncClient(base_url=self.url, timeout=PATIENCE_SECONDS) as client:
            return await client.get(path)

    async def messages(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = (await self.get("/messages")).json()
        return listed

    def mailer(self) -> Mailer:
        return SmtpMailer(account(self.smtp_port), clock=lambda: SENT_AT)


def account(port: int) -> SmtpAccount:
    return SmtpAccount(host="127.0.0.1", port=port, sender="Scrip <billing@scrip.example>", timeout=PATIENCE)


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@asynccontextmanager
async def a_mailbox(folder: Path, *, stop: signal.Signals = signal.SIGTERM) -> AsyncIterator[Mailbox]:
    """The real process. On leaving, it must end by itself, cleanly and without a word."""
    ports = {"MAILBOX_SMTP_PORT": "0", "MAILBOX_HTTP_PORT": "0", "MAILBOX_FOLDER": str(folder)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "activities.mail.mailbox"),
        cwd=ROOT,
        env={**os.environ, **ports},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        ready = json.loads(await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS))
        yield Mailbox(process, ready["smtp_port"], ready["http"])
    finally:
        process.send_signal(stop)
        _, complaints = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    assert (process.returncode, complaints.decode()) == (0, "")


@pytest_asyncio.fixture
async def mailbox(tmp_path: Path) -> AsyncIterator[Mailbox]:
    async with a_mailbox(tmp_path) as running:
        yield running


async def test_a_mail_arrives_as_it_was_written(mailbox: Mailbox) -> None:
    await mailbox.mailer().send(MAIL)

    (listed,) = await mailbox.messages()
    assert listed | {"id": "", "received_at": ""} == {
        "id": "",
        "message_id": "<receipt/0198d2f4-6f3e-7c1a-9e55-3d0f4a1b2c3d@scrip>",
        "from": "Scrip <billing@scrip.example>",
        "to": "ada@aurora.example",
        "subject": "Receipt für Aurora – 10,500 tokens",
        "received_at": "",
        "deliveries": 1,
        "attachments": [{"name": "TOK-2026-000042.pdf", "size": len(PDF), "content_type": "application/pdf"}],
    }
    opened = (await mailbox.get(f"/messages/{listed['id']}")).json()
    assert opened == {**listed, "text": "Grüße\n.\n-- \nScrip\n", "html": "<p>Grüße</p>\n"}
    attachment = await mailbox.get(f"/messages/{listed['id']}/attachments/0")
    assert attachment.content == PDF
    assert attachment.headers["content-type"] == "application/pdf"
    assert attachment.headers["content-disposition"] == "attachment; filename*=UTF-8''TOK-2026-000042.pdf"


async def test_a_mail_sent_again_is_one_mail_delivered_twice(mailbox: Mailbox) -> None:
    await asyncio.gather(*(mailbox.mailer().send(MAIL) for _ in range(3)))
    await mailbox.mailer().send(replace(MAIL, to="grace@aurora.example"))

    counts = {message["to"]: message["deliveries"] for message in await mailbox.messages()}
    assert counts == {"ada@aurora.example": 3, "grace@aurora.example": 1}
    narrowed = (await mailbox.get("/messages?to=grace@aurora.example")).json()
    assert [message["to"] for message in narrowed] == ["grace@aurora.example"]


async def test_a_mailbox_that_was_ended_still_has_its_mail(tmp_path: Path) -> None:
    async with a_mailbox(tmp_path) as first:
        await first.mailer().send(MAIL)
        before = await first.messages()
    (tmp_path / "half-written.tmp").write_bytes(b"X-Captured-From")

    async with a_mailbox(tmp_path, stop=signal.SIGINT) as second:
        assert await second.messages() == before
        await second.mailer().send(MAIL)
        assert [message["deliveries"] for message in await second.messages()] == [2]
        content = (await second.get(f"/messages/{before[0]['id']}/attachments/0")).content
        assert hashlib.sha256(content).digest() == hashlib.sha256(PDF).digest()
    assert files_in(tmp_path) == [f"{before[0]['id']}.eml"]


async def test_the_mailbox_ends_while_somebody_is_still_connected(tmp_path: Path) -> None:
    async with a_mailbox(tmp_path) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.smtp_port)
        assert (await reader.readline()).startswith(b"220 ")

    writer.close()


async def test_a_mailbox_can_be_emptied(mailbox: Mailbox, tmp_path: Path) -> None:
    await mailbox.mailer().send(MAIL)
    (listed,) = await mailbox.messages()

    async with httpx2.AsyncClient(base_url=mailbox.url, timeout=PATIENCE_SECONDS) as client:
        assert (await client.delete("/messages")).status_code == 204

    assert await mailbox.messages() == []
    assert files_in(tmp_path) == []
    gone = await mailbox.get(f"/messages/{listed['id']}")
    assert (gone.status_code, gone.json()) == (404, {"error": "No such message"})


async def test_hostile_mail_is_shown_and_not_obeyed(mailbox: Mailbox) -> None:
    await mailbox.mailer().send(
        replace(MAIL, subject="<script>alert(1)</script>", text="</pre><script>x</script> https://a.example/?a=1&b=2")
    )
    (listed,) = await mailbox.messages()

    index, view = await mailbox.get("/"), await mailbox.get(f"/messages/{listed['id']}/view")
    frame = await mailbox.get(f"/messages/{listed['id']}/html")

    assert [page.text.count("<script") for page in (index, view)] == [0, 0]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in index.text
    assert '<a href="https://a.example/?a=1&amp;b=2" target="_blank">' in view.text
    assert frame.headers["content-security-policy"].startswith(
        "sandbox allow-popups allow-popups-to-escape-sandbox; def"
    )
    assert frame.text.endswith("<p>Grüße</p>\n")


async def test_a_broken_mail_is_kept_too(mailbox: Mailbox) -> None:
    broken = (
        b"Subject: =?x-none?q?=ff?= \xff\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
        b'Content-Type: te\xffxt; charset=nope\r\nContent-Disposition: attachment; filename="\xff"\r\n\r\n\xff\xfe\r\n'
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", mailbox.smtp_port)
    for line in (b"HELO x", b"MAIL FROM:<>", b"RCPT TO:<ada@aurora.example>", b"DATA", broken + b"."):
        await reader.readline()
        writer.write(line + b"\r\n")
    assert (await reader.readline()) == b"250 2.0.0 Kept\r\n"
    writer.close()

    (listed,) = await mailbox.messages()
    assert (listed["to"], listed["message_id"]) == ("ada@aurora.example", "")
    paths = ("/", f"/messages/{listed['id']}", f"/messages/{listed['id']}/view")
    assert [(await mailbox.get(path)).status_code for path in paths] == [200, 200, 200]


async def test_a_request_that_names_another_host_is_refused(mailbox: Mailbox) -> None:
    async with httpx2.AsyncClient(base_url=mailbox.url, timeout=PATIENCE_SECONDS) as client:
        refused = await client.get("/messages", headers={"host": "attacker.example"})

    assert refused.status_code == 400
    assert (await mailbox.get("/livez")).json() == {"status": "ok"}


@pytest.mark.parametrize(
    "value", ["Hi\r\nBcc: eve@evil.example\r\n\r\nbody", "Hi\nBcc: eve@evil.example", "Hi\rBcc: x"]
)
async def test_a_line_break_in_a_subject_makes_no_header(mailbox: Mailbox, value: str) -> None:
    await mailbox.mailer().send(replace(MAIL, subject=value))

    (listed,) = await mailbox.messages()
    assert listed["to"] == "ada@aurora.example"
    assert listed["subject"] == " ".join(value.split())


async def test_a_line_break_in_the_name_of_a_file_makes_no_header(mailbox: Mailbox) -> None:
    file = Attachment('a"\r\nBcc: eve@evil.example\r\n\r\n.pdf', "application/pdf", b"x")

    await mailbox.mailer().send(replace(MAIL, attachments=(file,)))

    (listed,) = await mailbox.messages()
    assert listed["to"] == "ada@aurora.example"
    assert listed["attachments"] == [
        {"name": 'a" Bcc: eve@evil.example .pdf', "size": 1, "content_type": "application/pdf"}
    ]


@pytest.mark.parametrize(
    "address",
    [
        "ada@aurora.example\r\nBcc: eve@evil.example",
        "ada@aurora.example, eve@evil.example",
        "ada@aurora.example> SIZE=1",
        "Ada <ada@aurora.example>",
        "ada",
        "@aurora.example",
        "ada@",
        "ada@aurora..example",
        "",
    ],
)
async def test_what_is_no_address_is_undeliverable_and_nothing_is_sent(mailbox: Mailbox, address: str) -> None:
    with pytest.raises(MailUndeliverable, match="is no mail address") as refusal:
        await mailbox.mailer().send(replace(MAIL, to=address))

    assert refusal.value.code is None
    assert await mailbox.messages() == []


async def test_an_international_domain_is_reached(mailbox: Mailbox) -> None:
    await mailbox.mailer().send(replace(MAIL, to="ada@bücher.example"))

    assert [message["to"] for message in await mailbox.messages()] == ["ada@xn--bcher-kva.example"]


async def test_the_mailbox_plays_the_failures_of_the_world(mailbox: Mailbox) -> None:
    with pytest.raises(MailUndeliverable) as gone:
        await mailbox.mailer().send(replace(MAIL, to="ada@undeliverable.example"))
    with pytest.raises(MailDeferred) as busy:
        await mailbox.mailer().send(replace(MAIL, to="ada@deferred.example"))

    assert (gone.value.code, str(gone.value)) == (550, "The mail server answered 550 5.1.1 No such mailbox")
    assert busy.value.code == 451
    assert await mailbox.messages() == []
