"""One document for every root field of the schema, asking for Aurora's things by name, and how its answer is read.

`told` is what became of a request in one word: the code of its error, the name of the type that a union answered with,
"null", or "data".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.keys import key_id_of
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
    "Mutation.grantTokens": Document(
        """mutation ($org: ID!) { grantTokens(input: {
            organizationId: $org, tokens: "1", idempotencyKey: "matrix", reason: "matrix" }) { __typename } }""",
        ("org",),
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
    return str(value["__typename"]) if isinstance(value, dict) and "__typename" in value else "data"


def answered(answer: Mapping[str, Any]) -> str:
    """The code of the errors, or the type of the field whose alias is `answer`, at the root or in the wallet."""
    if "errors" in answer:
        return ",".join(sorted({error["extensions"]["code"] for error in answer["errors"]}))
    data = answer["data"]
    value = (data.get("wallet") or data)["answer"]
    return "null" if value is None else str(value["__typename"])
