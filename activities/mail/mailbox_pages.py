"""What a captured mailbox shows over HTTP: pages for people, JSON for programs.

Whatever came by mail is hostile until shown otherwise. Pages escape all of it; the HTML of a mail is only shown in a
frame that may run nothing, load nothing and submit nothing (links open in a new tab); attachments are only downloaded.
There is no sign-in: the mailbox belongs on a laptop or in a test, where everyone who reaches it may read it.
"""

import re
from datetime import UTC, datetime
from html import escape
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from activities.mail.captured import CapturedAttachment, CapturedFolder, CapturedMessage, Opened

PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; frame-ancestors 'none'; form-action 'none'"
)
MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:; form-action 'none'; frame-ancestors 'self'; base-uri 'self'"
)
FILE_POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"
ANYWHERE = frozenset(("0.0.0.0", "::"))
WEB_ADDRESS = re.compile(r"https?://[^\s<>\"']+")
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;color:#1c2536;max-width:960px;margin:32px auto;padding:0 16px;"
    "overflow-wrap:anywhere}table{width:100%;border-collapse:collapse}th,td{text-align:left;padding:8px 12px 8px 0;"
    "border-bottom:1px solid #e3e6eb;vertical-align:top}th{color:#6b7280;font-weight:500;white-space:nowrap}"
    "a{color:#1d4ed8}pre{white-space:pre-wrap;background:#f5f6f8;padding:16px;border-radius:8px}"
    "iframe{width:100%;height:640px;border:1px solid #e3e6eb;border-radius:8px}.quiet{color:#6b7280}"
)


def mailbox_app(folder: CapturedFolder, *, host: str) -> Starlette:
    """The pages and JSON of one mailbox.

    host    where it listens; requests that name another host are refused, so that no web page can read the mail by
            pointing its own name here. A mailbox that listens everywhere answers to every name.
    """
    pages = _Pages(folder)
    names = ["*"] if host in ANYWHERE else [host, "localhost", "127.0.0.1"]
    return Starlette(
        routes=[
            Route("/", pages.index, methods=["GET"]),
            Route("/livez", _alive, methods=["GET"]),
            Route("/messages", pages.summaries, methods=["GET"]),
            Route("/messages", pages.clear, methods=["DELETE"]),
            Route("/messages/{message}", pages.message, methods=["GET"]),
            Route("/messages/{message}/view", pages.view, methods=["GET"]),
            Route("/messages/{message}/html", pages.frame, methods=["GET"]),
            Route("/messages/{message}/attachments/{index:int}", pages.attachment, methods=["GET"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=names, www_redirect=False)],
        exception_handlers={HTTPException: _refusal},
    )


def _alive(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _refusal(request: Request, problem: Exception) -> Response:
    status = problem.status_code if isinstance(problem, HTTPException) else 500
    return JSONResponse({"error": str(getattr(problem, "detail", problem))}, status_code=status)


class _Pages:
    """The handlers. They are plain functions, so Starlette runs them in threads and the disk stops nobody."""

    def __init__(self, folder: CapturedFolder) -> None:
        self._folder = folder

    def index(self, request: Request) -> Response:
        return _page("Mailbox", _list(self._folder.summaries()), refresh=True)

    def summaries(self, request: Request) -> Response:
        """`?to=` narrows the list to one recipient."""
        messages = self._folder.summaries(request.query_params.get("to"))
        return JSONResponse([_summary(message) for message in messages])

    def message(self, request: Request) -> Response:
        opened = self._opened(request)
        return JSONResponse({**_summary(opened.summary), "text": opened.text, "html": opened.html})

    def view(self, request: Request) -> Response:
        opened = self._opened(request)
        return _page(opened.summary.subject or "(no subject)", _message(opened))

    def frame(self, request: Request) -> Response:
        html = self._opened(request).html
        if html is None:
            raise HTTPException(404, "This message has no HTML")
        return _guarded(HTMLResponse('<!doctype html><base target="_blank">' + html), MAIL_POLICY)

    def attachment(self, request: Request) -> Response:
        opened, index = self._opened(request), int(request.path_params["index"])
        if index >= len(opened.files):
            raise HTTPException(404, "No such attachment")
        about = opened.summary.attachments[index]
        name = quote(about.name, safe="")
        response = Response(
            opened.files[index], headers={"content-disposition": f"attachment; filename*=UTF-8''{name}"}
        )
        # Set by hand: Starlette would add a charset to text, and the bytes are what was sent.
        response.headers["content-type"] = about.content_type
        return _guarded(response, FILE_POLICY)

    def clear(self, request: Request) -> Response:
        self._folder.clear()
        return Response(status_code=204)

    def _opened(self, request: Request) -> Opened:
        opened = self._folder.open(str(request.path_params["message"]))
        if opened is None:
            raise HTTPException(404, "No such message")
        return opened


def _summary(message: CapturedMessage) -> dict[str, object]:
    return {
        "id": message.id,
        "message_id": message.message_id,
        "from": message.sender,
        "to": message.recipient,
        "subject": message.subject,
        "received_at": message.received_at.astimezone(UTC).isoformat(),
        "deliveries": message.deliveries,
        "attachments": [
            {"name": file.name, "size": file.size, "content_type": file.content_type} for file in message.attachments
        ],
    }


def _guarded(response: Response, policy: str) -> Response:
    response.headers["content-security-policy"] = policy
    response.headers["x-content-type-options"] = "nosniff"
    response.headers["referrer-policy"] = "no-referrer"
    return response


def _page(title: str, body: str, *, refresh: bool = False) -> Response:
    again = '<meta http-equiv="refresh" content="5">' if refresh else ""
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{again}<title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><h1>{escape(title)}</h1>{body}</body></html>"
    )
    return _guarded(HTMLResponse(html), PAGE_POLICY)


def _list(messages: tuple[CapturedMessage, ...]) -> str:
    if not messages:
        return '<p class="quiet">No mail has arrived yet.</p>'
    rows = "".join(
        f'<tr><td><a href="messages/{message.id}/view">{escape(message.subject or "(no subject)")}</a></td>'
        f"<td>{escape(message.recipient)}</td><td>{len(message.attachments) or ''}</td>"
        f"<td>{message.deliveries}</td><td>{_moment(message.received_at)}</td></tr>"
        for message in messages
    )
    heading = "".join(f"<th>{name}</th>" for name in ("Subject", "To", "Attachments", "Deliveries", "Received"))
    return f"<table><thead><tr>{heading}</tr></thead><tbody>{rows}</tbody></table>"


def _message(opened: Opened) -> str:
    about = opened.summary
    facts = (
        ("From", escape(about.sender)),
        ("To", escape(about.recipient)),
        ("Received", _moment(about.received_at)),
        ("Deliveries", str(about.deliveries)),
        ("Message-ID", escape(about.message_id)),
        ("Attachments", "<br>".join(_file(index, file) for index, file in enumerate(about.attachments)) or "none"),
    )
    rows = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in facts)
    framed = (
        '<iframe src="html" sandbox="allow-popups allow-popups-to-escape-sandbox" title="The message as HTML"></iframe>'
        if opened.html is not None
        else ""
    )
    text = f"<h2>As text</h2><pre>{_linked(opened.text)}</pre>" if opened.text is not None else ""
    return f'<p><a href="../../">All mail</a></p><table>{rows}</table><br>{framed}{text}'


def _file(index: int, file: CapturedAttachment) -> str:
    return f'<a href="attachments/{index}">{escape(file.name)}</a> <span class="quiet">{file.size:,} bytes</span>'


def _linked(text: str) -> str:
    """The text escaped, with its web addresses as links."""
    pieces, end = [], 0
    for found in WEB_ADDRESS.finditer(text):
        address = escape(found.group())
        pieces += [escape(text[end : found.start()]), f'<a href="{address}" target="_blank">{address}</a>']
        end = found.end()
    return "".join((*pieces, escape(text[end:])))


def _moment(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
