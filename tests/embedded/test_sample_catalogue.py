"""The sample shop: what it offers, and that starting again keeps what its keepers have changed."""

from decimal import Decimal

from embedded.sample_catalogue import KEEPER, RATES, add_catalogue
from models.database import Connection
from models.packages import packages_on_sale, update_package
from models.quotes import Wish, quote
from models.rates import RateDraft, rate_card, set_rate
from tests.builders import an_organization
from tests.offers import MINUTE, NOON


async def test_the_sample_shop_has_tiers_on_its_custom_package_and_none_on_plain_tokens(db: Connection) -> None:
    aurora = await an_organization()
    await add_catalogue(NOON)

    (bulk,) = await packages_on_sale(db)
    totals = {
        tokens: (await quote(db, aurora.id, Wish(package, Decimal(tokens)), at=NOON)).price.subtotal
        for package, tokens in ((None, "100"), (bulk.id, "9"), (bulk.id, "10"), (bulk.id, "101"), (bulk.id, "1000"))
    }
    with_coupon = await quote(db, aurora.id, Wish(None, Decimal(100), "WELCOME10"), at=NOON)

    assert totals == {
        "100": 50,
        "9": Decimal("4.50"),
        "10": Decimal("4.50"),
        "101": Decimal("40.40"),
        "1000": 350,
    }
    assert with_coupon.price.subtotal == 45
    assert {rate.operation: rate.tokens_per_unit for rate in await rate_card(db)} == {
        operation: each for operation, each, _, _ in RATES
    }


async def test_starting_again_keeps_what_was_changed(db: Connection) -> None:
    # given
    await add_catalogue(NOON)
    (bulk,) = await packages_on_sale(db)
    await update_package(bulk.id, {"name": "Mine"}, KEEPER)
    await set_rate(RateDraft("ocr.page", Decimal(9), "page", ""), KEEPER, at=NOON + MINUTE)

    # when
    await add_catalogue(NOON + 2 * MINUTE)

    # then
    assert [view.name for view in await packages_on_sale(db)] == ["Mine"]
    (rate,) = [rate for rate in await rate_card(db) if rate.operation == "ocr.page"]
    assert rate.tokens_per_unit == 9
