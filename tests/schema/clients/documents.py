"""One document for every root field of the schema, asking for Aurora's things by name, and how its answer is read.

`told` is what became of a request in one word: the code of its error, the name of the type that a union answered with,
"null", or "data".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.schema.clients.scene import Scene


@dataclass(frozen=True, slots=True)
class Document:
    """`text` uses the variables of `variables_of` by the names it declares."""

    text: str
    variables: tuple[str, ...] = ()


DOCUMENTS: Mapping[str, Document] = {
    "Query.viewer": Document("{ viewer { id email permissions } }"),
    "Query.organization": Document("query ($org: ID!) { organization(id: $org) { name } }", ("org",)),
    "Query.wallet": Document("query ($org: ID!) { wallet(organizationId: $org) { available } }", ("org",)),
    "Query.explainBalance": Document(
        "query ($org: ID!) { explainBalance(organizationId: $org) { available } }", ("org",)
    ),
    "Query.tokenPackages": Document("{ tokenPackages { id } }"),
    "Query.tokenPackage": Document("query ($package: ID!) { tokenPackage(id: $package) { name } }", ("package",)),
    "Query.priceQuote": Document(
        'query ($org: ID!) { priceQuote(tokens: "10", organizationId: $org) { __typename } }', ("org",)
    ),
    "Query.purchase": Document("query ($purchase: ID!) { purchase(id: $purchase) { tokens } }", ("purchase",)),
    "Query.purchases": Document("query ($org: ID!) { purchases(organizationId: $org) { nodes { id } } }", ("org",)),
    "Query.invoice": Document("query ($number: String!) { invoice(number: $number) { id } }", ("number",)),
    "Query.node": Document("query ($purchase: ID!) { node(id: $purchase) { __typename } }", ("purchase",)),
    "Query.nodes": Document("query ($wallet: ID!) { nodes(ids: [$wallet]) { __typename } }", ("wallet",)),
    "Mutation.startPurchase": Document(
        """mutation ($org: ID!, $package: ID!) { startPurchase(input: {
            organizationId: $org, packageId: $package, idempotencyKey: "matrix" }) { __typename } }""",
        ("org", "package"),
    ),
    "Mutation.cancelPurchase": Document(
        "mutation ($purchase: ID!) { cancelPurchase(input: { purchaseId: $purchase }) { __typename } }", ("purchase",)
    ),
    "Mutation.spendTokens": Document(
        """mutation ($org: ID!) { spendTokens(input: {
            organizationId: $org, tokens: "1", idempotencyKey: "matrix" }) { __typename } }""",
        ("org",),
    ),
    "Mutation.grantTokens": Document(
        """mutation ($org: ID!) { grantTokens(input: {
            organizationId: $org, tokens: "1", idempotencyKey: "matrix", reason: "matrix" }) { __typename } }""",
        ("org",),
    ),
    "Mutation.adjustBalance": Document(
        """mutation ($org: ID!) { adjustBalance(input: {
            organizationId: $org, tokens: "-1", idempotencyKey: "matrix", reason: "matrix" }) { __typename } }""",
        ("org",),
    ),
    "Mutation.updateWalletSettings": Document(
        """mutation ($org: ID!) { updateWalletSettings(input: {
            organizationId: $org, taxRate: "0.2" }) { __typename } }""",
        ("org",),
    ),
    # After what spends and buys; the next one undoes it.
    "Mutation.suspendWallet": Document(
        'mutation ($org: ID!) { suspendWallet(input: { organizationId: $org, reason: "matrix" }) { __typename } }',
        ("org",),
    ),
    "Mutation.reactivateWallet": Document(
        "mutation ($org: ID!) { reactivateWallet(input: { organizationId: $org }) { __typename } }", ("org",)
    ),
    "Mutation.addPaymentMethod": Document(
        """mutation ($org: ID!) { addPaymentMethod(input: {
            organizationId: $org, gatewayToken: "pm_success:matrix" }) { __typename } }""",
        ("org",),
    ),
    "Mutation.setDefaultPaymentMethod": Document(
        """mutation ($org: ID!, $method: ID!) { setDefaultPaymentMethod(input: {
            organizationId: $org, paymentMethodId: $method }) { __typename } }""",
        ("org", "method"),
    ),
    "Mutation.removePaymentMethod": Document(
        """mutation ($org: ID!, $method: ID!) { removePaymentMethod(input: {
            organizationId: $org, paymentMethodId: $method }) { __typename } }""",
        ("org", "method"),
    ),
    "Subscription.walletUpdated": Document(
        """subscription ($org: ID!, $start: Cursor!) {
            walletUpdated(organizationId: $org, after: $start) { sequence } }""",
        ("org", "start"),
    ),
    "Subscription.purchaseProgress": Document(
        "subscription ($purchase: ID!) { purchaseProgress(purchaseId: $purchase) { status } }", ("purchase",)
    ),
    "Query.notices": Document("query ($org: ID!) { notices(organizationId: $org) { nodes { id } } }", ("org",)),
    "Query.backgroundJobs": Document("{ backgroundJobs { name } }"),
    "Mutation.markNoticesRead": Document(
        """mutation ($org: ID!, $notice: ID!) { markNoticesRead(input: {
            organizationId: $org, noticeIds: [$notice] }) { __typename } }""",
        ("org", "notice"),
    ),
    "Mutation.runBackgroundJob": Document(
        'mutation { runBackgroundJob(input: { name: "expire-tokens" }) { __typename } }'
    ),
    "Subscription.noticeReceived": Document(
        """subscription ($org: ID!, $start: Cursor!) {
            noticeReceived(organizationId: $org, after: $start) { notice { kind } } }""",
        ("org", "start"),
    ),
    "Mutation.signIn": Document(
        'mutation { signIn(input: { email: "nobody@aurora.example", password: "?" }) { __typename } }'
    ),
    "Mutation.refreshSession": Document('mutation { refreshSession(input: { refreshToken: "?" }) { __typename } }'),
    # The last one, because afterwards the caller's session is over.
    "Mutation.signOut": Document("mutation { signOut { signedOut } }"),
}


def variables_of(document: Document, scene: Scene) -> dict[str, object]:
    """Aurora's own ids, and the cursor of the feed's very beginning."""
    known = {
        "org": scene.aurora.global_id,
        "package": scene.package,
        "purchase": scene.purchase,
        "method": scene.method,
        "wallet": scene.wallet,
        "number": scene.invoice_number,
        "notice": scene.notice,
        "start": scene.start,
    }
    return {name: known[name] for name in document.variables}


def told(answer: Mapping[str, Any]) -> str:
    """What became of a request, in one word."""
    if "errors" in answer:
        (code,) = {error["extensions"]["code"] for error in answer["errors"]}
        return str(code)
    (value,) = answer["data"].values()
    if value in (None, [None]):
        return "null"
    return str(value["__typename"]) if isinstance(value, dict) and "__typename" in value else "data"


def answered(answer: Mapping[str, Any]) -> str:
    """The code of the errors, or the type of the field whose alias is `answer`, at the root or in the wallet."""
    if "errors" in answer:
        return ",".join(sorted({error["extensions"]["code"] for error in answer["errors"]}))
    data = answer["data"]
    value = (data.get("wallet") or data)["answer"]
    return "null" if value is None else str(value["__typename"])
