"""The shape of every letter, once as plain text and once as HTML that says the same.

A letter is a greeting, paragraphs, facts in two columns, at most one link, and who sends it. All of it is escaped on
the way into HTML. There are no images, no style sheets and nothing that is loaded from elsewhere, so nobody learns
when a letter is opened. What a letter says is decided in `messages.py`.
"""

import textwrap
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

from activities.documents.figures import one_line

TEXT_WIDTH = 72
FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
INK, QUIET, HAIRLINE = "#1c2536", "#6b7280", "#e3e6eb"


@dataclass(frozen=True, slots=True)
class Link:
    """Where a reader can go. Raises ValueError unless `url` is plain http or https."""

    label: str
    url: str

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        clean = self.url.isprintable() and " " not in self.url
        if not clean or parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{self.url!r} is no web address")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterhead:
    """Who writes: the product's name, and the seller as on invoices."""

    product: str
    seller_name: str
    seller_address: str
    support_email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What is said; every part is plain text in one line."""

    heading: str
    greeting: str
    opening: tuple[str, ...]
    facts: tuple[tuple[str, str], ...] = ()
    link: Link | None = None
    closing: tuple[str, ...] = ()


def as_text(letter: Letter, head: Letterhead) -> str:
    """The letter as plain text, wrapped at 72 columns; a long word or address stays whole."""
    blocks = [_wrapped(letter.greeting), *map(_wrapped, letter.opening)]
    if letter.facts:
        blocks.append(_columns(letter.facts))
    if letter.link is not None:
        blocks.append(f"{one_line(letter.link.label)}:\n{letter.link.url}")
    blocks += map(_wrapped, letter.closing)
    blocks.append("\n".join(("-- ", *map(_wrapped, _signature(head)))))
    return "\n\n".join(blocks) + "\n"


def as_html(letter: Letter, head: Letterhead) -> str:
    """The letter as an HTML document with inline styles."""
    body = "".join(
        (
            f'<p style="margin:0 0 24px;font-size:13px;color:{QUIET}">{_safe(head.product)}</p>',
            f'<h1 style="margin:0 0 20px;font-size:22px;line-height:1.3">{_safe(letter.heading)}</h1>',
            *map(_paragraph, (letter.greeting, *letter.opening)),
            _table(letter.facts),
            _button(letter.link),
            *map(_paragraph, letter.closing),
            f'<p style="margin:28px 0 0;padding-top:16px;border-top:1px solid {HAIRLINE};font-size:12px">'
            f'<span style="color:{QUIET}">{"<br>".join(map(_safe, _signature(head)))}</span></p>',
        )
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_safe(letter.heading)}</title></head>'
        f'<body style="margin:0;padding:24px;background:#f5f6f8;color:{INK};{FONT};font-size:15px;line-height:1.5">'
        '<div style="max-width:560px;margin:0 auto;padding:32px;background:#ffffff;border-radius:8px;'
        f'overflow-wrap:anywhere">{body}</div></body></html>\n'
    )


def _signature(head: Letterhead) -> tuple[str, ...]:
    return (f"{head.seller_name}, {head.seller_address}", f"Questions? Write to {head.support_email}.")


def _wrapped(text: str) -> str:
    return textwrap.fill(one_line(text), TEXT_WIDTH, break_long_words=False, break_on_hyphens=False)


def _columns(facts: tuple[tuple[str, str], ...]) -> str:
    width = max(len(label) for label, _ in facts) + 2
    return "\n".join(f"  {label + ':':<{width}}{one_line(value)}" for label, value in facts)


def _safe(text: str) -> str:
    return escape(one_line(text))


def _paragraph(text: str) -> str:
    return f'<p style="margin:0 0 14px">{_safe(text)}</p>'


def _table(facts: tuple[tuple[str, str], ...]) -> str:
    if not facts:
        return ""
    cell = f"padding:8px 0;border-bottom:1px solid {HAIRLINE};vertical-align:top"
    rows = "".join(
        f'<tr><td style="{cell};padding-right:16px;color:{QUIET};white-space:nowrap">{_safe(label)}</td>'
        f'<td style="{cell};text-align:right">{_safe(value)}</td></tr>'
        for label, value in facts
    )
    return f'<table role="presentation" style="width:100%;border-collapse:collapse;margin:8px 0 22px">{rows}</table>'


def _button(link: Link | None) -> str:
    if link is None:
        return ""
    look = f"display:inline-block;padding:11px 20px;border-radius:6px;background:{INK};color:#ffffff"
    return (
        f'<p style="margin:0 0 22px"><a href="{escape(link.url)}" style="{look};text-decoration:none;font-weight:600">'
        f"{_safe(link.label)}</a></p>"
    )
