"""The search attributes operators filter by in the Temporal UI. No personal data: they are never encrypted."""

from temporalio.common import SearchAttributeKey

ORGANIZATION = SearchAttributeKey.for_keyword("ScripOrganization")
PURCHASE = SearchAttributeKey.for_keyword("ScripPurchase")
# For filtering only (`ScripAmount > 1000`); the amount itself is a decimal in the books.
AMOUNT = SearchAttributeKey.for_float("ScripAmount")
STAGE = SearchAttributeKey.for_keyword("ScripStage")

SEARCH_ATTRIBUTES = (ORGANIZATION, PURCHASE, AMOUNT, STAGE)
