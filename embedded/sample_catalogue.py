"""The rest of the sample shop: a custom package with volume tiers, a coupon, and the rate card.

Plain quantities have no tiers, so that a token costs what the wallet says. Everything is made once, the coupon last: a
database that has it keeps what its keepers have changed since.
"""

from datetime import datetime
from decimal import Decimal

from models.actors import SCRIP_ITSELF
from models.coupons import CouponDraft, coupon_id_of, create_coupon, read_coupon
from models.database import connection
from models.keepers import Keeper
from models.packages import PackageDraft, create_package
from models.rates import RateDraft, set_rate
from models.volume import TiersWanted, set_tiers
from rules.coupons import CouponBenefit, CouponTerms
from rules.packages import Composition
from rules.tiers import Tier, TierMode

KEEPER = Keeper(SCRIP_ITSELF)
BULK = "sample bulk"
WELCOME = "sample welcome"

TIERS = (("9", "0"), ("99", "0.1"), ("999", "0.2"), (None, "0.3"))
RATES = (
    ("claim.submission", 7, "claim", "A claim handed in"),
    ("claim.fraud-scan", 15, "claim", "A claim looked at for fraud"),
    ("claim.adjudication", 12, "claim", "A claim decided"),
    ("report.standard", 50, "report", "A report of the standard kind"),
    ("report.custom", 75, "report", "A report made to order"),
    ("ocr.page", 8, "page", "A page read by machine"),
    ("card.issue", 15, "card", "A member's card made"),
    ("eligibility.check", 5, "check", "A member's cover asked for"),
)


async def add_catalogue(at: datetime) -> None:
    """The custom package, its tiers, the rate card and the coupon are there."""
    async with connection() as db:
        if await read_coupon(db, coupon_id_of(WELCOME)) is not None:
            return
    made = Composition(
        is_custom=True,
        tokens=None,
        bonus_tokens=Decimal(0),
        price=None,
        currency=None,
        validity_days=None,
        display_order=5,
    )
    bulk, _ = await create_package(BULK, PackageDraft("Bulk", "Any number of tokens; more cost less", made), KEEPER)
    tiers = tuple(Tier(None if up_to is None else Decimal(up_to), Decimal(off)) for up_to, off in TIERS)
    await set_tiers(TiersWanted(bulk.id, TierMode.VOLUME, tiers), KEEPER, at=at)
    for operation, each, unit, description in RATES:
        await set_rate(RateDraft(operation, Decimal(each), unit, description), KEEPER, at=at)
    terms = CouponTerms(CouponBenefit.PERCENT, share=Decimal("0.1"), max_per_organization=1)
    await create_coupon(WELCOME, CouponDraft("WELCOME10", "10 % off the first purchase", terms), KEEPER)
