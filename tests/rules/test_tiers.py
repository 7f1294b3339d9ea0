"""Volume tiers: what quantities cost, graduated and by volume, against published examples."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.tiers import InvalidTiers, Part, Schedule, Tier, TierMode, amount_of, parts, schedule_of

GRADUATED, VOLUME = TierMode.GRADUATED, TierMode.VOLUME

# The token platform's own design: 1-9 at the list price, 10-99 at 10 %, 100-999 at 20 %, 1000 and more at 30 % off.
OWN = (("9", "0"), ("99", "0.1"), ("999", "0.2"), (None, "0.3"))
# Percentages off 10.00 in the shape of Stripe's page on tiered pricing, "per unit": up to 5, 6 to 10, 11 and more.
STRIPE = (("5", "0.3"), ("10", "0.35"), (None, "0.4"))
ZUPLO = (("1000", "0"), ("10000", "0.5"), (None, "0.9"))
AUTUMN = (("1000", "0"), ("10000", "0.2"), (None, "0.5"))

# tiers, quantity, price per token: graduated, by volume
EXAMPLES = [
    # Stripe, https://docs.stripe.com/subscriptions/pricing-models/tiered-pricing: 7.00, 6.50 and 6.00 a unit.
    (STRIPE, "1", "10", "7.00", "7.00"),
    (STRIPE, "5", "10", "35.00", "35.00"),
    (STRIPE, "6", "10", "41.50", "39.00"),
    (STRIPE, "20", "10", "127.50", "120.00"),
    (STRIPE, "25", "10", "157.50", "150.00"),
    # Zuplo, https://zuplo.com/docs/articles/monetization/pricing-models: 100 + 450 + 50, or 15,000 at 0.01.
    (ZUPLO, "15000", "0.10", "600.00", "150.00"),
    # Autumn, https://docs.useautumn.com/documentation/modelling-pricing/graduated-pricing: 10 + 72 + 25.
    (AUTUMN, "15000", "0.01", "107.00", "75.00"),
    # 9 × 0.50 = 4.50; and 1 × 0.45; or all 10 at 0.45.
    (OWN, "9", "0.50", "4.50", "4.50"),
    (OWN, "10", "0.50", "4.95", "4.50"),
    # A fraction behind a limit lies in the next tier.
    (OWN, "9.0001", "0.50", "4.500045", "4.050045"),
    # 4.50 + 90 × 0.45 + 0.40; or 100 × 0.40.
    (OWN, "100", "0.50", "45.40", "40.00"),
    # 4.50 + 40.50 + 900 × 0.40 + 0.35; or 1000 × 0.35.
    (OWN, "1000", "0.50", "405.35", "350.00"),
    (((None, "0"),), "7", "0.333333", "2.333331", "2.333331"),
    # More digits than a default context has.
    (((None, "0.000001"),), "999999.9999", "99999999.999999", "99999899989999.010001", "99999899989999.010001"),
]


def tiers_of(rows: tuple[tuple[str | None, str], ...]) -> tuple[Tier, ...]:
    return tuple(Tier(None if up_to is None else Decimal(up_to), Decimal(discount)) for up_to, discount in rows)


@pytest.mark.parametrize(("rows", "tokens", "each", "graduated", "volume"), EXAMPLES)
def test_a_quantity_costs_what_the_examples_say(
    rows: tuple[tuple[str | None, str], ...], tokens: str, each: str, graduated: str, volume: str
) -> None:
    for mode, expected in ((GRADUATED, graduated), (VOLUME, volume)):
        sold = parts(Decimal(tokens), unit_price=Decimal(each), schedule=schedule_of(mode, tiers_of(rows)))

        assert round(amount_of(sold), 6) == Decimal(expected)


def test_a_graduated_quantity_is_sold_in_the_parts_that_lie_in_each_tier() -> None:
    sold = parts(Decimal("100.5"), unit_price=Decimal("0.50"), schedule=schedule_of(GRADUATED, tiers_of(OWN)))

    assert sold == (
        Part(Decimal(9), Decimal("0.50")),
        Part(Decimal(90), Decimal("0.45")),
        Part(Decimal("1.5"), Decimal("0.40")),
    )


WRONG = {
    "no tier at all": (),
    "too many": (*((str(n), "0") for n in range(1, 21)), (None, "0")),
    "a last tier with an end": (("9", "0"), ("99", "0.1")),
    "a tier without an end before the last": ((None, "0"), (None, "0.1")),
    "limits that fall": (("9", "0"), ("8", "0.1"), (None, "0.2")),
    "the same limit twice": (("9", "0"), ("9", "0.1"), (None, "0.2")),
    "a limit of nothing": (("0", "0"), (None, "0.1")),
    "a limit below zero": (("-1", "0"), (None, "0.1")),
    "a limit with five places": (("9.00001", "0"), (None, "0.1")),
    "a limit beyond what is sold": (("1000001", "0"), (None, "0.1")),
    "a limit that is no number": (("NaN", "0"), (None, "0.1")),
    "everything off": ((None, "1"),),
    "more than everything off": ((None, "1.5"),),
    "a surcharge": ((None, "-0.1"),),
    "a discount that falls": (("9", "0.2"), (None, "0.1")),
    "a discount with seven places": ((None, "0.0000001"),),
    "a discount that is no number": ((None, "NaN"),),
    "an endless discount": ((None, "Infinity"),),
}


@pytest.mark.parametrize("rows", WRONG.values(), ids=WRONG.keys())
def test_what_is_no_schedule_is_refused(rows: tuple[tuple[str | None, str], ...]) -> None:
    with pytest.raises(InvalidTiers):
        schedule_of(GRADUATED, tiers_of(rows))


def ten_thousandths(least: int, most: int) -> st.SearchStrategy[Decimal]:
    return st.integers(least, most).map(lambda number: Decimal(number) / 10_000)


@st.composite
def schedules(draw: st.DrawFn, mode: TierMode) -> Schedule:
    limits = sorted(draw(st.sets(ten_thousandths(1, 5_000_000), max_size=6)))
    shares = st.integers(0, 999_999).map(lambda number: Decimal(number) / 1_000_000)
    discounts = sorted(draw(st.lists(shares, min_size=len(limits) + 1, max_size=len(limits) + 1)))
    return schedule_of(mode, [Tier(up_to, off) for up_to, off in zip([*limits, None], discounts, strict=True)])


quantities = ten_thousandths(10_000, 10_000_000)
prices = st.integers(1, 10_000_000).map(lambda number: Decimal(number) / 1_000_000)


@given(schedules(GRADUATED), quantities, prices)
def test_parts_add_up_to_the_quantity_and_none_is_empty(schedule: Schedule, tokens: Decimal, each: Decimal) -> None:
    for one in (schedule, Schedule(VOLUME, schedule.tiers)):
        sold = parts(tokens, unit_price=each, schedule=one)

        assert sum(part.tokens for part in sold) == tokens
        assert all(part.tokens > 0 and 0 < part.unit_price <= each for part in sold)


@given(schedules(GRADUATED), quantities, prices)
def test_volume_costs_no_more_than_graduated_and_that_no_more_than_the_list_price(
    schedule: Schedule, tokens: Decimal, each: Decimal
) -> None:
    graduated = amount_of(parts(tokens, unit_price=each, schedule=schedule))
    volume = amount_of(parts(tokens, unit_price=each, schedule=Schedule(VOLUME, schedule.tiers)))

    assert tokens * each * (1 - schedule.tiers[-1].discount) <= volume <= graduated <= tokens * each


@given(schedules(GRADUATED), quantities, quantities, prices)
def test_more_tokens_cost_more_when_they_are_graduated_and_no_more_for_each(
    schedule: Schedule, one: Decimal, other: Decimal, each: Decimal
) -> None:
    few, many = sorted((one, other))
    less = amount_of(parts(few, unit_price=each, schedule=schedule))
    more = amount_of(parts(many, unit_price=each, schedule=schedule))

    assert less <= more
    assert more * few <= less * many
