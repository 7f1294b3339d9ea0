"""One document for every root field of the schema, asking for Aurora's things by name, and how its answer is read.

`told` is what became of a request in one word: the code of its error, the name of the type that a union answered with,
"null", or "data".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.keys import key_id_of
from rules.identity import derived_id
from schema.ids import global_id
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
    "Query.organizations": Document("{ organizations { nodes { id } } }"),
    "Query.roles": Document("{ roles { role permissions } }"),
    "Query.platformMembers": Document("{ platformMembers { nodes { id } } }"),
    "Query.viewerKey": Document("{ viewerKey { name } }"),
    "Query.apiKeys": Document("query ($org: ID!) { apiKeys(organizationId: $org) { nodes { id } } }", ("org",)),
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
    "Mutation.spendTokensBatch": Document(
        """mutation ($org: ID!) { spendTokensBatch(input: { spends: [{
            organizationId: $org, tokens: "1", idempotencyKey: "matrix batch" }] }) {
            __typename ... on SpendTokensBatchSuccess { items { result { __typename } } } } }""",
        ("org",),
    ),
    "Mutation.holdTokens": Document(
        """mutation ($org: ID!) { holdTokens(input: {
            organizationId: $org, tokens: "1", idempotencyKey: "matrix" }) { __typename } }""",
        ("org",),
    ),
    "Mutation.extendHold": Document(
        """mutation ($org: ID!, $hold: ID!) { extendHold(input: {
            organizationId: $org, holdId: $hold, ttlSeconds: 172800, idempotencyKey: "matrix" }) { __typename } }""",
        ("org", "hold"),
    ),
    "Mutation.captureHold": Document(
        """mutation ($org: ID!, $hold: ID!) { captureHold(input: {
            organizationId: $org, holdId: $hold, idempotencyKey: "matrix" }) { __typename } }""",
        ("org", "hold"),
    ),
    # The hold of `holdTokens` above, when that caller could place it.
    "Mutation.releaseHold": Document(
        """mutation ($org: ID!, $placed: ID!) { releaseHold(input: {
            organizationId: $org, holdId: $placed, idempotencyKey: "matrix" }) { __typename } }""",
        ("org", "placed"),
    ),
    "Query.spendBudgets": Document(
        "query ($org: ID!) { spendBudgets(organizationId: $org) { nodes { id left } } }", ("org",)
    ),
    "Mutation.setSpendBudget": Document(
        """mutation ($org: ID!, $ada: ID!) { setSpendBudget(input: {
            organizationId: $org, subjectId: $ada, period: DAY, tokens: "500" }) { __typename } }""",
        ("org", "ada"),
    ),
    "Mutation.removeSpendBudget": Document(
        """mutation ($org: ID!, $budget: ID!) { removeSpendBudget(input: {
            organizationId: $org, budgetId: $budget }) { __typename } }""",
        ("org", "budget"),
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
    "Query.volumeSchedule": Document("{ volumeSchedule { mode } }"),
    "Query.coupons": Document("{ coupons { nodes { code } } }"),
    "Query.rateCard": Document("{ rateCard { operation } }"),
    "Query.estimateCost": Document(
        """query ($org: ID!) { estimateCost(organizationId: $org, items: [{ operation: "matrix", units: "1" }]) {
            __typename } }""",
        ("org",),
    ),
    "Mutation.createQuote": Document(
        'mutation ($org: ID!) { createQuote(input: { organizationId: $org, tokens: "10" }) { __typename } }', ("org",)
    ),
    "Mutation.createTokenPackage": Document(
        """mutation { createTokenPackage(input: {
            idempotencyKey: "matrix", name: "Matrix", tokens: "10" }) { __typename } }"""
    ),
    "Mutation.updateTokenPackage": Document(
        """mutation ($package: ID!) { updateTokenPackage(input: { packageId: $package, name: "Other" }) {
            __typename } }""",
        ("package",),
    ),
    "Mutation.deactivateTokenPackage": Document(
        "mutation ($package: ID!) { deactivateTokenPackage(input: { packageId: $package }) { __typename } }",
        ("package",),
    ),
    "Mutation.setVolumeTiers": Document(
        'mutation { setVolumeTiers(input: { mode: VOLUME, tiers: [{ discount: "0.1" }] }) { __typename } }'
    ),
    "Mutation.createCoupon": Document(
        'mutation { createCoupon(input: { idempotencyKey: "matrix", code: "MATRIX", share: "0.1" }) { __typename } }'
    ),
    "Mutation.deactivateCoupon": Document('mutation { deactivateCoupon(input: { code: "matrix" }) { __typename } }'),
    "Mutation.setTokenRate": Document(
        """mutation { setTokenRate(input: { operation: "matrix", tokensPerUnit: "1", unit: "each" }) {
            __typename } }"""
    ),
    "Mutation.removeTokenRate": Document('mutation { removeTokenRate(input: { operation: "matrix" }) { __typename } }'),
    "Mutation.createOrganization": Document(
        """mutation { createOrganization(input: { slug: "matrix", name: "Matrix", contactEmail: "matrix@example.com",
            idempotencyKey: "matrix" }) { __typename } }"""
    ),
    "Mutation.updateOrganization": Document(
        """mutation ($org: ID!) { updateOrganization(input: {
            organizationId: $org, address: "1 Matrix Street" }) { __typename } }""",
        ("org",),
    ),
    "Mutation.updateContactData": Document(
        """mutation ($org: ID!) { updateContactData(input: {
            organizationId: $org, address: "2 Matrix Street" }) { __typename } }""",
        ("org",),
    ),
    # Of something that is no organization, for the others are still needed.
    "Mutation.deactivateOrganization": Document(
        "mutation ($purchase: ID!) { deactivateOrganization(input: { organizationId: $purchase }) { __typename } }",
        ("purchase",),
    ),
    "Mutation.reactivateOrganization": Document(
        "mutation ($org: ID!) { reactivateOrganization(input: { organizationId: $org }) { __typename } }", ("org",)
    ),
    "Mutation.addMember": Document(
        """mutation ($org: ID!) { addMember(input: { organizationId: $org, email: "matrix@aurora.example",
            name: "Matrix", role: VIEWER }) { __typename } }""",
        ("org",),
    ),
    "Mutation.setMemberPermissions": Document(
        "mutation ($ada: ID!) { setMemberPermissions(input: { memberId: $ada, role: VIEWER }) { __typename } }",
        ("ada",),
    ),
    "Mutation.removeMember": Document(
        "mutation ($ada: ID!) { removeMember(input: { memberId: $ada }) { __typename } }", ("ada",)
    ),
    "Mutation.createApiKey": Document(
        """mutation ($org: ID!) { createApiKey(input: { organizationId: $org, name: "Matrix", scopes: [TOKENS_VIEW],
            idempotencyKey: "matrix" }) { __typename } }""",
        ("org",),
    ),
    "Mutation.revokeApiKey": Document(
        "mutation ($key: ID!) { revokeApiKey(input: { apiKeyId: $key }) { __typename } }", ("key",)
    ),
    "Mutation.changePassword": Document(
        """mutation { changePassword(input: {
            currentPassword: "?", newPassword: "another correct horse" }) { __typename } }"""
    ),
    "Mutation.signIn": Document(
        'mutation { signIn(input: { email: "nobody@aurora.example", password: "?" }) { __typename } }'
    ),
    "Mutation.refreshSession": Document('mutation { refreshSession(input: { refreshToken: "?" }) { __typename } }'),
    # The last one, because afterwards the caller's session is over.
    "Mutation.signOut": Document("mutation { signOut { signedOut } }"),
}


def variables_of(document: Document, scene: Scene) -> dict[str, object]:
    """Aurora's own ids, that of the key it makes as "matrix", and the cursor of the feed's very beginning."""
    known = {
        "org": scene.aurora.global_id,
        "package": scene.package,
        "purchase": scene.purchase,
        "method": scene.method,
        "wallet": scene.wallet,
        "number": scene.invoice_number,
        "notice": scene.notice,
        "hold": scene.hold,
        "placed": global_id("Hold", derived_id("hold", scene.aurora.id, "matrix")),
        "budget": scene.budget,
        "start": scene.start,
        "ada": global_id("Member", scene.ada.id),
        "key": global_id("ApiKey", key_id_of(scene.aurora.id, "matrix")),
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
    if isinstance(value, dict) and "items" in value:
        # Of a batch, what became of its one spend.
        (value,) = (item["result"] for item in value["items"])
    return str(value["__typename"]) if isinstance(value, dict) and "__typename" in value else "data"


def answered(answer: Mapping[str, Any]) -> str:
    """The code of the errors, or the type of the field whose alias is `answer`, at the root or in the wallet."""
    if "errors" in answer:
        return ",".join(sorted({error["extensions"]["code"] for error in answer["errors"]}))
    data = answer["data"]
    value = (data.get("wallet") or data)["answer"]
    return "null" if value is None else str(value["__typename"])
