"""The page on which a buyer approves or refuses a payment, as a bank's 3-D Secure page would ask.

Plain HTML with two buttons: it works without scripts, runs none, loads nothing, and writes every value escaped. Whoever
knows the payment's id, 96 random bits, is the buyer.
"""

import base64
from hashlib import sha256
from html import escape
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse

from activities.gateways.sandbox_provider.store import Payment
from rules.payments import PaymentStatus

STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 26rem; margin: 4rem auto; padding: 0 1rem; color: #1a1a1a; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .25rem 1rem; } dt { color: #555; } dd { margin: 0; }
button { font: inherit; padding: .6rem 1.4rem; margin-right: .5rem; border-radius: .4rem; border: 1px solid #1a1a1a; }
button[value=approve] { background: #14532d; color: #fff; } button[value=refuse] { background: #fff; color: #7f1d1d; }
"""
STYLE_HASH = base64.b64encode(sha256(STYLE.encode()).digest()).decode()

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Confirm your payment</title><style>{style}</style></head>
<body><h1>Confirm your payment</h1>
<p>This is the sandbox. No money moves.</p>
<dl><dt>Amount</dt><dd>{amount} {currency}</dd><dt>For</dt><dd>{description}</dd><dt>Payment</dt><dd>{id}</dd></dl>
{question}</body></html>
"""
QUESTION = """<form method="post">
<button name="decision" value="approve">Approve</button><button name="decision" value="refuse">Refuse</button>
</form>"""
ANSWERED = """<p>This payment is already decided: {status}. <a href="{return_url}">Go back</a></p>"""


def confirmation_page(payment: Payment) -> HTMLResponse:
    if payment.status is PaymentStatus.REQUIRES_ACTION:
        question = QUESTION
    else:
        question = ANSWERED.format(status=escape(payment.status.lower()), return_url=escape(payment.return_url))
    html = PAGE.format(
        style=STYLE,
        amount=escape(str(payment.amount)),
        currency=escape(payment.currency),
        description=escape(payment.description),
        id=escape(payment.id),
        question=question,
    )
    return HTMLResponse(html, headers={"content-security-policy": _policy(payment), "referrer-policy": "no-referrer"})


def _policy(payment: Payment) -> str:
    """Browsers hold a redirect after a form to `form-action` too, so the return address is allowed there."""
    parts = urlsplit(payment.return_url)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    origin = f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
    # A host with a semicolon or space would end the directive; such a one gets no redirect at all.
    safe_origin = origin if not set(origin) & set(" ;,'\"") else ""
    return (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self' {safe_origin}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
