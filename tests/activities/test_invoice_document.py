"""What stands on an invoice, read back from the PDF."""

import subprocess
import sys
from dataclasses import replace
from datetime import date
from decimal import Decimal
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader

from activities.documents.figures import money, one_line, percentage, quantity, unit_price
from activities.documents.invoice import (
    DocumentKind,
    DocumentLine,
    InvoiceDocument,
    LineKind,
    Party,
    render_invoice,
    typeset,
)

SELLER = Party("Scrip Ltd", ("1 Ledger Lane", "London EC2V 7HH"), "GB123456789", "billing@scrip.example")
BUYER = Party(
    "Aurora Analytics B.V.",
    ("Keizersgracht 12", "1015 CJ Amsterdam"),
    "NL001234567B01",
    "ap@aurora.example",
    "Femke de Vries",
)
# 10,000 tokens at 0.45 are 4,500.00; 16 % of that is 720.00; the bonus is free.
INVOICE = InvoiceDocument(
    kind=DocumentKind.INVOICE,
    number="TOK-2026-000042",
    issued_on=date(2026, 3, 14),
    due_on=date(2026, 4, 13),
    currency="USD",
    seller=SELLER,
    buyer=BUYER,
    lines=(
        DocumentLine(
            LineKind.TOKENS, "Growth package", Decimal("10000.0000"), Decimal("0.450000"), Decimal("4500.0000")
        ),
        DocumentLine(LineKind.BONUS, "Bonus tokens", Decimal(500), Decimal(0), Decimal(0)),
        DocumentLine(LineKind.TAX, "VAT 16%", Decimal(1), Decimal(720), Decimal("720.0000")),
    ),
    subtotal=Decimal("4500.0000"),
    tax_rate=Decimal("0.16"),
    tax=Decimal("720.0000"),
    total=Decimal("5220.0000"),
    paid_on=date(2026, 3, 15),
    payment_reference="pay_7Q2",
    purchase_reference="0198d2f4-6f3e-7c1a-9e55-3d0f4a1b2c3d",
    footer_note="Tokens are prepaid.",
)
HOSTILE = '#panic("x") *bold* _it_ $x^2$ <img src=x> {{7*7}} @ref `raw` \\u{41} // c /* d */ #read("/etc/passwd")'


def pages_of(pdf: bytes) -> list[str]:
    return [page.extract_text() for page in PdfReader(BytesIO(pdf)).pages]


def lines_of(document: InvoiceDocument) -> list[str]:
    (page,) = pages_of(render_invoice(document))
    return [line.strip() for line in page.splitlines()]


def test_the_worked_invoice_says_exactly_this() -> None:
    assert lines_of(INVOICE) == [
        "Scrip Ltd",
        "1 Ledger Lane",
        "London EC2V 7HH",
        "Tax ID  GB123456789",
        "Email  billing@scrip.example",
        "INVOICE",
        "TOK-2026-000042",
        "BILLED TO",
        "Aurora Analytics B.V.",
        "Keizersgracht 12",
        "1015 CJ Amsterdam",
        "Tax ID  NL001234567B01",
        "Email  ap@aurora.example",
        "Contact  Femke de Vries",
        "Issued 14 March 2026",
        "Due 13 April 2026",
        "Currency USD",
        "Purchase 0198d2f4-6f3e-7c1a-9e55-3d0f4a1b2c3d",
        "Payment pay_7Q2",
        "DESCRIPTION QUANTITY UNIT PRICE AMOUNT",
        "Growth package 10,000 $0.45 $4,500.00",
        "Bonus tokens 500 $0.00 $0.00",
        "Paid on 15 March 2026",
        "Subtotal $4,500.00",
        "VAT 16% $720.00",
        "Total $5,220.00",
        "Tokens are prepaid. Page 1 of 1",
    ]


def test_a_credit_note_names_the_invoice_it_corrects() -> None:
    note = replace(
        INVOICE, kind=DocumentKind.CREDIT_NOTE, number="TCN-2026-000007", corrects="TOK-2026-000042", due_on=None
    )

    lines = lines_of(note)

    assert lines[5:8] == ["CREDIT NOTE", "TCN-2026-000007", "CREDITED TO"]
    assert "Corrects invoice TOK-2026-000042" in lines
    assert "Refunded on 15 March 2026" in lines
    assert "Total credited $5,220.00" in lines
    assert not [line for line in lines if line.startswith("Due")]


def test_an_unpaid_invoice_carries_no_stamp() -> None:
    lines = lines_of(replace(INVOICE, paid_on=None))

    assert not [line for line in lines if line.startswith("Paid")]


def test_a_tax_of_zero_is_stated() -> None:
    untaxed = replace(
        INVOICE, lines=INVOICE.lines[:1], tax_rate=Decimal("0.0000"), tax=Decimal(0), total=Decimal("4500.0000")
    )

    lines = lines_of(untaxed)

    assert lines[-5:-1] == ["Paid on 15 March 2026", "Subtotal $4,500.00", "Tax (0%) $0.00", "Total $4,500.00"]


@pytest.mark.parametrize(
    ("currency", "price", "amount", "shown"),
    [
        ("JPY", "49.5", "4950", "Pack 100 ¥49.5 ¥4,950"),
        ("BHD", "0.012345", "1.234", "Pack 100 BHD0.012345 BHD1.234"),
        ("EUR", "0.004567", "0.46", "Pack 100 €0.004567 €0.46"),
    ],
)
def test_every_currency_has_its_own_decimals(currency: str, price: str, amount: str, shown: str) -> None:
    line = DocumentLine(LineKind.TOKENS, "Pack", Decimal(100), Decimal(price), Decimal(amount))
    zero = Decimal(0)
    document = replace(
        INVOICE, currency=currency, lines=(line,), subtotal=zero, tax=zero, total=Decimal(amount), tax_rate=zero
    )

    lines = lines_of(document)

    assert shown in lines
    assert f"Total {shown.split()[-1]}" in lines


@pytest.mark.parametrize(("amount", "currency"), [("0.5", "JPY"), ("1.2345", "BHD"), ("0.001", "USD"), ("NaN", "USD")])
def test_an_amount_finer_than_its_currency_is_refused(amount: str, currency: str) -> None:
    with pytest.raises(ValueError, match="is not an amount of"):
        render_invoice(replace(INVOICE, currency=currency, total=Decimal(amount)))


def test_markup_in_names_is_shown_and_not_obeyed() -> None:
    line = DocumentLine(LineKind.TOKENS, HOSTILE, Decimal(1), Decimal(1), Decimal(1))
    document = replace(
        INVOICE,
        number="TOK-#1",
        buyer=Party(HOSTILE, (HOSTILE,), HOSTILE, HOSTILE, HOSTILE),
        seller=replace(SELLER, name=HOSTILE),
        lines=(line,),
        payment_reference="#x",
        footer_note=HOSTILE,
    )

    pdf = render_invoice(document)

    said = "".join(pages_of(pdf)[0].split())
    assert said.count("".join(HOSTILE.split())) == 8
    assert PdfReader(BytesIO(pdf)).metadata["/Title"] == "Invoice TOK-#1"  # type: ignore[index]


def test_a_word_longer_than_the_page_is_broken_and_kept_whole_when_copied() -> None:
    line = DocumentLine(LineKind.TOKENS, "D" * 300, Decimal(1), Decimal(1), Decimal(1))
    document = replace(INVOICE, buyer=Party("W" * 200, ("M" * 200,)), lines=(line,))

    pdf = render_invoice(document)

    lines = pages_of(pdf)[0].split()
    # So many of these letters fit the columns of the fonts inside the package.
    assert [max(line.count(letter) for line in lines) for letter in "WD"] == [22, 43]
    said = "".join(lines)
    assert "W" * 200 + "M" * 200 in said
    assert "D" * 300 in said


@pytest.mark.parametrize(
    "name",
    [
        "株式会社スクリップ",
        "שלום עולם",
        "مرحبا بالعالم",
        "🎉👩‍👩‍👧 party",
        "e\u0301" * 90,
        "\u202eevil",
        "lone \ud800",
        "nul \x00",
        "",
        " ",
    ],
)
def test_no_name_can_make_an_invoice_fail(name: str) -> None:
    document = replace(INVOICE, buyer=Party(name, (name, name), name, name, name), footer_note=name)

    assert "Total $5,220.00" in lines_of(document)


def test_sixty_lines_run_over_pages_that_each_have_the_heading() -> None:
    packs = tuple(
        DocumentLine(LineKind.TOKENS, f"Pack {number:02d}", Decimal(10), Decimal("0.5"), Decimal(5))
        for number in range(1, 61)
    )

    pages = pages_of(render_invoice(replace(INVOICE, lines=packs)))

    assert len(pages) == 3
    assert [page.count("DESCRIPTION QUANTITY UNIT PRICE AMOUNT") for page in pages] == [1, 1, 1]
    assert ["Page 1 of 3" in pages[0], "Page 2 of 3" in pages[1], "Page 3 of 3" in pages[2]] == [True, True, True]
    shown = [line for page in pages for line in page.splitlines() if line.startswith("Pack ")]
    assert shown == [f"Pack {number:02d} 10 $0.50 $5.00" for number in range(1, 61)]
    assert ["Total $5,220.00" in page for page in pages] == [False, False, True]


def test_the_same_document_gives_the_same_bytes_in_another_process() -> None:
    here = sha256(render_invoice(INVOICE)).hexdigest()
    program = (
        "import runpy, sys; from hashlib import sha256; names = runpy.run_path(sys.argv[1]); "
        "print(sha256(names['render_invoice'](names['INVOICE'])).hexdigest())"
    )

    there = subprocess.run(
        [sys.executable, "-c", program, __file__],
        cwd=Path(__file__).parents[2],
        env={"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert there.stdout.strip() == here
    assert sha256(render_invoice(replace(INVOICE, number="TOK-2026-000043"))).hexdigest() != here


def test_the_pdf_is_dated_when_it_was_issued() -> None:
    about = PdfReader(BytesIO(render_invoice(INVOICE))).metadata

    assert about is not None
    assert [str(about[key]) for key in ("/CreationDate", "/ModDate")] == ["D:20260314000000Z"] * 2


async def test_typesetting_gives_the_bytes_of_rendering() -> None:
    assert await typeset(INVOICE) == render_invoice(INVOICE)


def test_the_fonts_travel_with_the_document() -> None:
    fonts = PdfReader(BytesIO(render_invoice(INVOICE))).pages[0]["/Resources"]["/Font"]  # type: ignore[index]

    names = {font.get_object()["/BaseFont"].split("+")[1] for font in fonts.values()}
    assert names == {
        "LibertinusSerif-Regular-Identity-H",
        "LibertinusSerif-Semibold-Identity-H",
        "LibertinusSerif-Bold-Identity-H",
    }


def test_figures_are_written_for_people() -> None:
    assert money(Decimal("-1234.5000"), "EUR") == "-€1,234.50"
    assert unit_price(Decimal("0.500000"), "USD") == "$0.50"
    assert unit_price(Decimal("0.000001"), "USD") == "$0.000001"
    assert quantity(Decimal("1234.5600")) == "1,234.56"
    assert percentage(Decimal("0.0825")) == "8.25%"
    assert percentage(Decimal("0.1600")) == "16%"
    assert one_line("a\r\nb\u2028c\td \u202eevil") == "a b c d evil"
