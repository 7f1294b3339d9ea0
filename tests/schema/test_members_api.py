"""Organizations and their members over the API: who lets whom in, with what, and what ends at once."""

from typing import Any

import asyncpg
import pytest

from schema.ids import global_id
from tests.builders import EVERYTHING, PASSWORD, Member, a_member, an_organization
from tests.schema.clients.books import everything
from tests.simulators.world import World

ADD = """
mutation ($input: AddMemberInput!) { addMember(input: $input) { __typename
  ... on AddMemberSuccess { member { id email name role permissions isActive lastSignInAt } }
  ... on PermissionNotGrantable { permissions } ... on InvalidPassword { lengthMin lengthMax }
  ... on Problem { code message } } }
"""
SET = """
mutation ($input: SetMemberPermissionsInput!) { setMemberPermissions(input: $input) { __typename
  ... on SetMemberPermissionsSuccess { member { role permissions } }
  ... on PermissionNotGrantable { permissions } ... on Problem { code } } }
"""
REMOVE = """
mutation ($input: RemoveMemberInput!) { removeMember(input: $input) { __typename
  ... on RemoveMemberSuccess { member { isActive } } ... on Problem { code } } }
"""
SIGN_IN = """
mutation ($input: SignInInput!) { signIn(input: $input) { __typename
  ... on SignInSuccess { accessToken viewer { name role permissions organization { id } } } ... on Problem { code } } }
"""
CHANGE = """
mutation ($input: ChangePasswordInput!) { changePassword(input: $input) { __typename
  ... on ChangePasswordSuccess { viewer { email } } ... on InvalidPassword { lengthMin lengthMax }
  ... on Problem { code } } }
"""
MEMBERS = """
query ($first: Int = 20, $after: Cursor, $removed: Boolean = false) { organization {
  members(first: $first, after: $after, removed: $removed) {
    nodes { id email isActive } pageInfo { hasNextPage endCursor } } } }
"""
CREATE = """
mutation ($input: CreateOrganizationInput!) { createOrganization(input: $input) { __typename
  ... on CreateOrganizationSuccess { replayed organization { id slug name contactEmail address taxId isActive } }
  ... on Problem { code } } }
"""
ADMIN = (*EVERYTHING, "platform.admin")
VIEWER = "{ viewer { email } }"
CIRRUS = {"slug": "cirrus", "name": "Cirrus Labs", "contactEmail": "billing@cirrus.example", "idempotencyKey": "cirrus"}


def member_id(member: Member) -> str:
    return global_id("Member", member.id)


async def lets_in(world: World, by: Member, **changed: Any) -> dict[str, Any]:
    asked = {"email": "nia@aurora.example", "name": "Nia Otieno", "role": "SPENDER", **changed}
    told: dict[str, Any] = (await world.data(ADD, by, input=asked))["addMember"]
    return told


async def signs_in(world: World, email: str, password: str) -> dict[str, Any]:
    told: dict[str, Any] = (await world.data(SIGN_IN, input={"email": email, "password": password}))["signIn"]
    return told


async def test_a_customer_begins_with_the_platform_and_goes_on_by_itself(world: World) -> None:
    # given
    admin = await a_member(None, permissions=ADMIN)

    # when
    made = (await world.data(CREATE, admin, input=CIRRUS))["createOrganization"]
    again = (await world.data(CREATE, admin, input=CIRRUS))["createOrganization"]
    conflict = (await world.data(CREATE, admin, input={**CIRRUS, "name": "Other"}))["createOrganization"]
    taken = (await world.data(CREATE, admin, input={**CIRRUS, "idempotencyKey": "2"}))["createOrganization"]
    organization = made["organization"]["id"]
    first = await lets_in(
        world,
        admin,
        organizationId=organization,
        email="Cora@Cirrus.example",
        role="OWNER",
        password="a first password",
    )
    cora = await signs_in(world, "cora@cirrus.example", "a first password")
    owner = Member(admin.id, "", None, (), access_token=cora["accessToken"])
    second = await lets_in(world, owner)
    wallet = await world.data("{ wallet { available organizationId } }", owner)

    # then
    assert made["organization"] == {
        "id": organization,
        "slug": "cirrus",
        "name": "Cirrus Labs",
        "contactEmail": "billing@cirrus.example",
        "address": "",
        "taxId": None,
        "isActive": True,
    }
    assert again == {**made, "replayed": True}
    assert (conflict["code"], taken["code"]) == ("IDEMPOTENCY_CONFLICT", "SLUG_TAKEN")
    assert (first["member"]["email"], first["member"]["role"]) == ("cora@cirrus.example", "OWNER")
    assert cora["viewer"] == {
        "name": "Nia Otieno",
        "role": "OWNER",
        "permissions": ["TOKENS_CONFIGURE", "TOKENS_PURCHASE", "TOKENS_SPEND", "TOKENS_VIEW"],
        "organization": {"id": organization},
    }
    assert second["member"]["permissions"] == ["TOKENS_SPEND", "TOKENS_VIEW"]
    assert wallet == {"wallet": {"available": "0.0000", "organizationId": organization}}
    assert await world.broken_rules() == []


async def test_permissions_may_be_listed_one_by_one_and_then_there_is_no_role(world: World) -> None:
    ada = await a_member(await an_organization())

    made = await lets_in(world, ada, role=None, permissions=["TOKENS_VIEW"])
    by_role = await world.data(SET, ada, input={"memberId": made["member"]["id"], "role": "VIEWER"})
    emptied = await world.data(SET, ada, input={"memberId": made["member"]["id"], "permissions": []})

    assert (made["member"]["role"], made["member"]["permissions"]) == (None, ["TOKENS_VIEW"])
    assert by_role["setMemberPermissions"]["member"] == {"role": "VIEWER", "permissions": ["TOKENS_VIEW"]}
    assert emptied["setMemberPermissions"]["member"] == {"role": None, "permissions": []}


async def test_an_address_that_is_taken_is_refused_alike_wherever_it_is(
    world: World, owner: asyncpg.Connection
) -> None:
    # given
    ada, bjorn = await a_member(await an_organization()), await a_member(await an_organization())
    await world.token_of(ada)
    before = await everything(owner)

    # when
    told = [await lets_in(world, ada, email=email) for email in (ada.email, bjorn.email, bjorn.email.upper())]

    # then
    assert told[0] == told[1] == told[2]
    assert told[0]["code"] == "EMAIL_TAKEN"
    assert await everything(owner) == before


@pytest.mark.parametrize(
    "address", ["\u0130@x.example", "\u212aim@x.example", "nia@\u00e4.example", "nia@x.ex\u0430mple"]
)
async def test_an_address_that_folds_differently_elsewhere_is_nobodys(
    address: str, world: World, owner: asyncpg.Connection
) -> None:
    # given: somebody whose address some of these look like, or become
    await a_member(await an_organization(), email="i@x.example")
    ada = await a_member(await an_organization())
    await world.token_of(ada)
    before = await everything(owner)

    # when
    added = await world.ask(ADD, ada, input={"email": address, "name": "Nia", "role": "VIEWER"})
    signed = await signs_in(world, address, PASSWORD)

    # then
    assert added["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": "email"}
    assert signed["code"] == "SIGN_IN_REFUSED"
    assert await everything(owner) == before


async def test_nobody_gives_what_they_lack(world: World, owner: asyncpg.Connection) -> None:
    # given
    aurora = await an_organization()
    clerk = await a_member(aurora, permissions=("tokens.view", "tokens.configure"))
    other = await a_member(aurora)
    await world.token_of(clerk)
    before = await everything(owner)

    # when
    told = [
        await lets_in(world, clerk),
        await lets_in(world, clerk, role="ADMINISTRATOR"),
        (await world.data(SET, clerk, input={"memberId": member_id(clerk), "role": "OWNER"}))["setMemberPermissions"],
        (await world.data(SET, clerk, input={"memberId": member_id(other), "permissions": ["FINANCE_VIEW"]}))[
            "setMemberPermissions"
        ],
    ]

    # then
    assert [each["permissions"] for each in told] == [
        ["TOKENS_SPEND"],
        ["CATALOG_MANAGE", "FINANCE_MANAGE", "FINANCE_VIEW", "PLATFORM_ADMIN", "TOKENS_PURCHASE", "TOKENS_SPEND"],
        ["TOKENS_PURCHASE", "TOKENS_SPEND"],
        ["FINANCE_VIEW"],
    ]
    assert await everything(owner) == before


async def test_what_is_taken_away_is_gone_with_the_next_request_and_a_removed_member_is_out(world: World) -> None:
    # given
    aurora = await an_organization()
    ada, bob = await a_member(aurora), await a_member(aurora)
    await world.token_of(bob)

    # when
    await world.data(SET, ada, input={"memberId": member_id(bob), "role": "SPENDER"})
    buying = await world.ask('mutation { addPaymentMethod(input: { gatewayToken: "x" }) { __typename } }', bob)
    removed = (await world.data(REMOVE, ada, input={"memberId": member_id(bob)}))["removeMember"]
    asked = await world.ask(VIEWER, bob)
    signed = await signs_in(world, bob.email, PASSWORD)

    # then
    assert buying["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert removed == {"__typename": "RemoveMemberSuccess", "member": {"isActive": False}}
    assert asked["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert signed["code"] == "SIGN_IN_REFUSED"


async def test_the_last_who_may_let_people_in_cannot_leave(world: World, owner: asyncpg.Connection) -> None:
    # given
    ada = await a_member(await an_organization())
    await world.token_of(ada)
    before = await everything(owner)

    # when
    removed = (await world.data(REMOVE, ada, input={"memberId": member_id(ada)}))["removeMember"]
    demoted = (await world.data(SET, ada, input={"memberId": member_id(ada), "role": "VIEWER"}))["setMemberPermissions"]

    # then
    assert removed == demoted == {"__typename": "LastAdministrator", "code": "LAST_ADMINISTRATOR"}
    assert await everything(owner) == before


async def test_members_of_another_organization_are_not_found(world: World, owner: asyncpg.Connection) -> None:
    # given
    ada, bjorn = await a_member(await an_organization()), await a_member(await an_organization())
    fina = await a_member(None, permissions=ADMIN)
    await world.token_of(ada)
    before = await everything(owner)

    # when
    told = [
        next(iter((await world.data(query, ada, input={"memberId": member_id(other), **more})).values()))["code"]
        for other in (bjorn, fina)
        for query, more in ((SET, {"role": "VIEWER"}), (REMOVE, {}))
    ]
    foreign = await lets_in(world, ada, organizationId=bjorn.organization.global_id if bjorn.organization else None)
    node = await world.data("query ($id: ID!) { node(id: $id) { id } }", ada, id=member_id(bjorn))

    # then
    assert (told, foreign["code"], node) == (["MEMBER_NOT_FOUND"] * 4, "ORGANIZATION_NOT_FOUND", {"node": None})
    assert await everything(owner) == before


async def test_members_are_listed_page_by_page_and_the_removed_when_asked(world: World) -> None:
    # given
    aurora = await an_organization()
    ada = await a_member(aurora)
    others = [await a_member(aurora) for _ in range(3)]
    await a_member(await an_organization())
    await world.data(REMOVE, ada, input={"memberId": member_id(others[1])})

    # when
    first = (await world.data(MEMBERS, ada, first=2))["organization"]["members"]
    after = first["pageInfo"]["endCursor"]
    rest = (await world.data(MEMBERS, ada, first=2, after=after))["organization"]["members"]
    everybody = (await world.data(MEMBERS, ada, removed=True))["organization"]["members"]["nodes"]
    odd = await world.ask(MEMBERS, ada, after="bm90IGEgY3Vyc29y")

    # then
    assert [node["email"] for node in (*first["nodes"], *rest["nodes"])] == [
        others[2].email,
        others[0].email,
        ada.email,
    ]
    assert (first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)
    assert [node["isActive"] for node in everybody] == [True, False, True, True]
    assert odd["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_colleagues_are_shown_to_those_who_administer_them_only(world: World) -> None:
    vera = await a_member(await an_organization(), permissions=("tokens.view", "tokens.spend"))

    told = await world.ask(MEMBERS, vera)

    assert told["errors"][0]["extensions"] == {
        "code": "FORBIDDEN",
        "permission": "TOKENS_CONFIGURE",
        "field": "Organization.members",
    }


async def test_members_are_read_anew_after_each_change_of_one_document(world: World) -> None:
    # given
    aurora = await an_organization()
    ada, bob = await a_member(aurora), await a_member(aurora)
    look = (
        "updateContactData(input: {}) { ... on OrganizationSuccess { organization { members { nodes { email } } } } }"
    )
    mutation = f"""mutation ($input: RemoveMemberInput!) {{
        before: {look} removeMember(input: $input) {{ __typename }} after: {look} }}"""

    # when
    told = await world.data(mutation, ada, input={"memberId": member_id(bob)})

    # then
    seen = [[node["email"] for node in told[when]["organization"]["members"]["nodes"]] for when in ("before", "after")]
    assert seen == [[bob.email, ada.email], [ada.email]]


async def test_a_changed_password_is_the_one_that_counts_and_other_sessions_are_over(world: World) -> None:
    # given
    ada = await a_member(await an_organization())
    here = Member(ada.id, ada.email, None, (), access_token=await world.token_of(ada))
    there = Member(
        ada.id, ada.email, None, (), access_token=(await signs_in(world, ada.email, PASSWORD))["accessToken"]
    )

    async def changes(current: str, new: str) -> dict[str, Any]:
        asked = {"currentPassword": current, "newPassword": new}
        told: dict[str, Any] = (await world.data(CHANGE, here, input=asked))["changePassword"]
        return told

    # when
    wrong = await changes("not it at all", "a longer password")
    short = await changes(PASSWORD, "too short")
    done = await changes(PASSWORD, "a longer password")

    # then
    assert wrong == {"__typename": "WrongPassword", "code": "WRONG_PASSWORD"}
    assert (short["code"], short["lengthMin"], short["lengthMax"]) == ("INVALID_PASSWORD", 12, 256)
    assert done == {"__typename": "ChangePasswordSuccess", "viewer": {"email": ada.email}}
    assert (await world.data(VIEWER, here))["viewer"] == {"email": ada.email}
    assert (await world.ask(VIEWER, there))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert (await signs_in(world, ada.email, PASSWORD))["code"] == "SIGN_IN_REFUSED"
    assert (await signs_in(world, ada.email, "a longer password"))["__typename"] == "SignInSuccess"


async def test_a_deactivated_organization_is_shut_to_its_people_until_it_is_active_again(world: World) -> None:
    # given
    aurora = await an_organization()
    ada, admin = await a_member(aurora), await a_member(None, permissions=ADMIN)
    await world.token_of(ada)
    mutation = "mutation ($id: ID!) {{ {0}Organization(input: {{ organizationId: $id }}) {{ __typename }} }}"
    listed = "{ organizations { nodes { id isActive } } }"

    # when
    await world.data(mutation.format("deactivate"), admin, id=aurora.global_id)
    shut = await world.ask(VIEWER, ada)
    seen = (await world.data(listed, admin))["organizations"]["nodes"]
    await world.data(mutation.format("reactivate"), admin, id=aurora.global_id)

    # then
    assert shut["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert seen == [{"id": aurora.global_id, "isActive": False}]
    assert (await world.data(VIEWER, ada))["viewer"] == {"email": ada.email}


async def test_contact_data_is_the_customers_to_change_and_who_they_are_is_the_platforms(world: World) -> None:
    # given
    aurora = await an_organization()
    ada, admin = await a_member(aurora), await a_member(None, permissions=ADMIN)
    contact = """mutation ($input: UpdateContactDataInput!) { updateContactData(input: $input) {
        ... on OrganizationSuccess { organization { name contactEmail address taxId } } } }"""
    update = """mutation ($input: UpdateOrganizationInput!) { updateOrganization(input: $input) {
        ... on OrganizationSuccess { organization { name contactEmail address taxId } } } }"""

    # when
    own = await world.data(contact, ada, input={"contactEmail": "ap@aurora.example", "address": "9 Rain Road"})
    named = await world.data(
        update, admin, input={"organizationId": aurora.global_id, "name": "Aurora Group", "taxId": ""}
    )
    refused = await world.ask(update, ada, input={"organizationId": aurora.global_id, "name": "Aurora Bank"})

    # then
    after = {"contactEmail": "ap@aurora.example", "address": "9 Rain Road"}
    assert own["updateContactData"]["organization"] == {"name": "Aurora Clinics", "taxId": "KE-1", **after}
    assert named["updateOrganization"]["organization"] == {"name": "Aurora Group", "taxId": None, **after}
    assert refused["errors"][0]["extensions"]["permission"] == "PLATFORM_ADMIN"


@pytest.mark.parametrize("role", ["OPERATOR", "ADMINISTRATOR"])
async def test_people_of_the_platform_are_let_in_by_its_administrators(role: str, world: World) -> None:
    admin = await a_member(None, permissions=tuple({*ADMIN, "catalog.manage"}))

    made = await lets_in(world, admin, email="ops@scrip.example", role=role)
    listed = await world.data("{ platformMembers { nodes { email role } } }", admin)

    assert made["member"]["role"] == role
    assert listed["platformMembers"]["nodes"][0] == {"email": "ops@scrip.example", "role": role}


async def test_every_role_says_what_it_bundles(world: World) -> None:
    told = (await world.data("{ roles { role permissions } }"))["roles"]

    assert [each["role"] for each in told] == [
        "OWNER",
        "BUYER",
        "SPENDER",
        "VIEWER",
        "FINANCE",
        "OPERATOR",
        "ADMINISTRATOR",
    ]
    assert told[1]["permissions"] == ["TOKENS_PURCHASE", "TOKENS_VIEW"]
