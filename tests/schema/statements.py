"""What every list and every kind of thing costs in statements, and with which document that is asked.

A list that is added to the schema, and a kind that is added to the things with an id, belong into these tables with
the number of their statements.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from rules.permissions import Role
from rules.tiers import TIERS_MAX

SIZES = (1, 10, 100)


@dataclass(frozen=True, slots=True)
class Budget:
    """A document that asks for a list and all below it, where its rows are in the answer, and what it costs.

    The document may use `$n`, the number of rows, `$ids`, that many ids of one kind, and `$items`, that many operations
    of the rate card. `counts` is how many rows there are at each size, where the list itself says how many it shows.
    """

    document: str
    rows: tuple[str, ...]
    statements: int
    counts: tuple[int, ...] = SIZES


INVOICE = "id number pdfUrl total { formatted } lines { kind amount { amount } }"
PURCHASE = f"id status total {{ amount }} invoice {{ {INVOICE} }}"
ENTRY = "id kind tokens occurredAt draws { lotId tokens }"
LOT = "id lotKind: kind remainingTokens cost { amount currencyCode }"
METHOD = "id brand isDefault"
WALLET = "id available value { amount } walletStatus: status"
LISTS_OF_A_WALLET = (
    "balance { byKind { available } } entries(first: 2) { nodes { id draws { tokens } } }"
    " lots(first: 2) { nodes { id } } holds(first: 2) { nodes { id parts { tokens } } }"
    " purchases(first: 2) { nodes { id invoice { id } } }"
    " invoices(first: 2) { nodes { id lines { kind } } } paymentMethods { id }"
)
HOLD = "id holdStatus: status tokens parts { lotId lotKind tokens }"
SPEND_BUDGET = "id subjectId period limit used left resetsAt"
NOTICE = "id noticeKind: kind lotId lost: tokens daysAhead readAt"
QUOTE = "id quoted: price { tokens total { amount } } usedAt organizationId"
SCHEDULE = "id mode tiers { upTo discount } packageId"
PACKAGE = f"id name tokenPrice {{ amount }} volumeSchedule {{ {SCHEDULE} }}"
RATE = "id operation tokensPerUnit version"
COUPON = "id code share redemptions packageIds"
MEMBER = "id email role permissions"
KEY = f"id prefix scopes createdBy {{ {MEMBER} }}"
ORGANIZATION = f"id name members(first: 2) {{ nodes {{ {MEMBER} }} }}"
LOT_BEHIND = "lotId state available entries { entryId tokens }"


def of_the_wallet(name: str, asked: str) -> str:
    return f"query ($n: Int!) {{ wallet {{ {name}(first: $n) {{ nodes {{ {asked} }} edges {{ cursor }} }} }} }}"


def of_the_root(name: str, asked: str) -> str:
    return f"query ($n: Int!) {{ {name}(first: $n) {{ nodes {{ {asked} }} edges {{ cursor }} }} }}"


def by_id(kind: str, asked: str) -> str:
    return f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ id ... on {kind} {{ {asked} }} }} }}"


# The wallet or nothing, then the page, then one for each level below it.
OF_WALLETS: Mapping[str, Budget] = {
    "Query.purchases": Budget(of_the_root("purchases", PURCHASE), ("purchases", "nodes"), 3),
    "Wallet.entries": Budget(of_the_wallet("entries", ENTRY), ("wallet", "entries", "nodes"), 3),
    "Wallet.lots": Budget(of_the_wallet("lots", LOT), ("wallet", "lots", "nodes"), 2),
    "Wallet.holds": Budget(of_the_wallet("holds", HOLD), ("wallet", "holds", "nodes"), 3),
    "Wallet.purchases": Budget(of_the_wallet("purchases", PURCHASE), ("wallet", "purchases", "nodes"), 4),
    "Wallet.invoices": Budget(of_the_wallet("invoices", INVOICE), ("wallet", "invoices", "nodes"), 3),
    # One comes with the first order; at most 100 are listed.
    "Wallet.paymentMethods": Budget(
        f"{{ wallet {{ paymentMethods {{ {METHOD} }} }} }}", ("wallet", "paymentMethods"), 2, (2, 11, 100)
    ),
    "WalletEntry.draws": Budget(
        "{ wallet { entries(first: 1, kinds: SPEND) { nodes { draws { lotId lotKind tokens } } } } }",
        ("wallet", "entries", "nodes", "0", "draws"),
        3,
    ),
    "Hold.parts": Budget(
        "{ wallet { holds(first: 1) { nodes { parts { lotId lotKind tokens } } } } }",
        ("wallet", "holds", "nodes", "0", "parts"),
        3,
    ),
    "Invoice.lines": Budget(
        "query ($n: Int!) { wallet { invoices(first: $n) { nodes { lines { kind } } } } }",
        ("wallet", "invoices", "nodes"),
        3,
    ),
    # Of the kinds of lots, two have tokens here: bought ones and given ones, all of them held.
    "WalletBalance.byKind": Budget(
        "{ wallet { balance { byKind { kind available held } } } }", ("wallet", "balance", "byKind"), 2, (2, 2, 2)
    ),
    # The wallet and the sums, the page, and the entries behind all of its lots, at most five of each.
    "BalanceExplanation.lots": Budget(
        f"query ($n: Int!) {{ explainBalance {{ available lots(first: $n) {{ nodes {{ {LOT_BEHIND} }} }} }} }}",
        ("explainBalance", "lots", "nodes"),
        4,
    ),
    "LotExplanation.entries": Budget(
        "query ($n: Int!) { explainBalance { lots(first: $n) { nodes { entries { kind occurredAt } } } } }",
        ("explainBalance", "lots", "nodes"),
        4,
    ),
    "Query.spendBudgets": Budget(of_the_root("spendBudgets", SPEND_BUDGET), ("spendBudgets", "nodes"), 1),
    "Query.notices": Budget(of_the_root("notices", NOTICE), ("notices", "nodes"), 1),
    # That there is a wallet is seen to by two; then the rates and the wallet.
    "CostEstimate.items": Budget(
        "query ($items: [OperationUnitsInput!]!) { estimateCost(items: $items) { ... on CostEstimate {"
        f" total wouldOverdraw items {{ tokens rate {{ {RATE} }} }} }} }} }}",
        ("estimateCost", "items"),
        4,
    ),
}
# What is on offer, and the tiers below it.
OF_THE_CATALOGUE: Mapping[str, Budget] = {
    "Query.tokenPackages": Budget(f"{{ tokenPackages {{ {PACKAGE} }} }}", ("tokenPackages",), 2),
    "Query.rateCard": Budget(f"{{ rateCard {{ {RATE} }} }}", ("rateCard",), 1),
    "Query.coupons": Budget(of_the_root("coupons", COUPON), ("coupons", "nodes"), 1),
    "VolumeSchedule.tiers": Budget(
        "{ volumeSchedule { tiers { upTo discount } } }", ("volumeSchedule", "tiers"), 1, (1, 10, TIERS_MAX)
    ),
}
# Who there is. Members are read together for all organizations of a page, makers for all keys.
OF_PEOPLE: Mapping[str, Budget] = {
    "Query.organizations": Budget(of_the_root("organizations", ORGANIZATION), ("organizations", "nodes"), 2),
    "Organization.members": Budget(
        f"query ($n: Int!) {{ organization {{ members(first: $n) {{ nodes {{ {MEMBER} }} }} }} }}",
        ("organization", "members", "nodes"),
        2,
    ),
    "Query.platformMembers": Budget(of_the_root("platformMembers", MEMBER), ("platformMembers", "nodes"), 1),
    "Query.apiKeys": Budget(of_the_root("apiKeys", KEY), ("apiKeys", "nodes"), 2),
    "Query.roles": Budget("{ roles { role permissions } }", ("roles",), 0, (len(Role),) * len(SIZES)),
}
LISTS = {**OF_WALLETS, **OF_THE_CATALOGUE, **OF_PEOPLE}
# Whose they are, what they are, and the levels below. What is on offer, organizations and people need no first one.
KINDS: Mapping[str, Budget] = {
    "TokenPackage": Budget(by_id("TokenPackage", PACKAGE), ("nodes",), 2),
    "VolumeSchedule": Budget(by_id("VolumeSchedule", SCHEDULE), ("nodes",), 1),
    "TokenRate": Budget(by_id("TokenRate", RATE), ("nodes",), 1),
    "Coupon": Budget(by_id("Coupon", COUPON), ("nodes",), 1),
    "Organization": Budget(by_id("Organization", ORGANIZATION), ("nodes",), 2),
    "Member": Budget(by_id("Member", MEMBER), ("nodes",), 1),
    "ApiKey": Budget(by_id("ApiKey", KEY), ("nodes",), 2),
    # With a page of each of its seven lists, and what four of these have below.
    "Wallet": Budget(by_id("Wallet", f"{WALLET} {LISTS_OF_A_WALLET}"), ("nodes",), 2 + 7 + 4),
    "WalletEntry": Budget(by_id("WalletEntry", ENTRY), ("nodes",), 3),
    "Lot": Budget(by_id("Lot", LOT), ("nodes",), 2),
    "Hold": Budget(by_id("Hold", HOLD), ("nodes",), 3),
    "SpendBudget": Budget(by_id("SpendBudget", SPEND_BUDGET), ("nodes",), 2),
    "Notice": Budget(by_id("Notice", NOTICE), ("nodes",), 2),
    "HeldPriceQuote": Budget(by_id("HeldPriceQuote", QUOTE), ("nodes",), 2),
    "Purchase": Budget(by_id("Purchase", PURCHASE), ("nodes",), 4),
    "Invoice": Budget(by_id("Invoice", INVOICE), ("nodes",), 3),
    "PaymentMethod": Budget(by_id("PaymentMethod", METHOD), ("nodes",), 2),
}
# Lists whose items come with their owner, by the same statement; the documents above ask for them.
IN_THE_ROW = {"Member.permissions", "ApiKey.scopes", "Coupon.packageIds", "RoleBundle.permissions"}
# The caller's own, known since they signed in.
KNOWN_ALREADY = {"Viewer.permissions"}
# Written by a change, see test_statements_of_changes.py.
BY_CHANGES = {"RemoveMemberSuccess.workingApiKeys", "SpendTokensBatchSuccess.items"}
# What a refusal says is what it was refused for.
OF_REFUSALS = {"PermissionNotGrantable.permissions"}
# Temporal is asked, and not the database.
OF_TEMPORAL = {"Query.backgroundJobs", "JobResult.findings"}
# Found by `nodes` itself, whose cost is stated for every kind.
BY_KIND = {"Query.nodes"}
# The caller: there is one, and it is asked for by `viewer` alone.
NO_LOOKUP = {"Viewer"}
