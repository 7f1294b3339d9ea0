"""What keepers and buyers say to the catalogue over HTTP."""

from typing import Any

from tests.builders import Member, a_member
from tests.simulators.world import World

CREATE = """mutation ($input: CreateTokenPackageInput!) { createTokenPackage(input: $input) {
  __typename
  ... on CreateTokenPackageSuccess { replayed package { ...all } }
  ... on InvalidPackage { field reason }
  ... on Problem { code } } }
fragment all on TokenPackage { id name description isCustom tokens minTokens maxTokens bonusTokens validityDays isActive
  displayOrder price { amount currencyCode } tokenPrice { amount currencyCode } }"""
UPDATE = """mutation ($input: UpdateTokenPackageInput!) { updateTokenPackage(input: $input) {
  __typename
  ... on UpdateTokenPackageSuccess { package { name description tokens bonusTokens validityDays price { amount } } }
  ... on Problem { code } } }"""
DEACTIVATE = """mutation ($input: DeactivateTokenPackageInput!) { deactivateTokenPackage(input: $input) {
  ... on DeactivateTokenPackageSuccess { package { isActive } } ... on Problem { code } } }"""
SET_TIERS = """mutation ($input: SetVolumeTiersInput!) { setVolumeTiers(input: $input) {
  ... on SetVolumeTiersSuccess { volumeSchedule { mode packageId tiers { upTo discount } } }
  ... on Problem { code } } }"""
COUPON = """mutation ($input: CreateCouponInput!) { createCoupon(input: $input) {
  __typename
  ... on CreateCouponSuccess { replayed coupon { id code redemptions } } ... on Problem { code } } }"""
QUOTE = """mutation ($input: CreateQuoteInput!) { createQuote(input: $input) {
  __typename
  ... on CreateQuoteSuccess { quote { id usedAt price { description tokens bonusTokens unitPrice couponCode
      discount { amount } subtotal { amount } tax { amount } total { amount } validityDays } } }
  ... on Problem { code } } }"""
PRICE = """query ($tokens: Decimal, $package: ID, $coupon: String) {
  priceQuote(tokens: $tokens, packageId: $package, couponCode: $coupon) {
    __typename
    ... on PriceQuote { discount { amount } total { amount } couponCode bonusTokens }
    ... on CouponNotApplicable { reason }
    ... on InvalidTokens { minimum maximum } } }"""
BOUGHT = """query ($id: ID!) { purchase(id: $id) { quoteId couponCode discount { amount } subtotal { amount }
  total { amount } invoice { number subtotal { amount } total { amount } lines { kind amount { amount } } } } }"""
SET_RATE = """mutation ($input: SetTokenRateInput!) { setTokenRate(input: $input) {
  ... on SetTokenRateSuccess { rate { operation version tokensPerUnit endedAt } } ... on Problem { code } } }"""
ESTIMATE = """query ($items: [OperationUnitsInput!]!) { estimateCost(items: $items) {
  __typename
  ... on CostEstimate { items { operation units tokens rate { unit } } total available wouldOverdraw }
  ... on OperationNotFound { operation } } }"""


async def a_keeper() -> Member:
    return await a_member(None, permissions=("catalog.manage",))


async def done(world: World, document: str, member: Member, **input: Any) -> Any:
    """What a mutation with one input answers."""
    (told,) = (await world.data(document, member, input=input)).values()
    return told
