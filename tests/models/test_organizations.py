"""Organizations are made once under a key, changed in what is named, and stopped without losing anything."""

import asyncio
from uuid import UUID

import pytest

from models.actors import Actor
from models.database import Connection
from models.errors import IdempotencyConflict, OrganizationNotFound, SlugTaken
from models.intentions import Intention
from models.organizations import (
    NewOrganization,
    OrganizationChange,
    OrganizationView,
    change_organization,
    create_organization,
    organization_id_of,
    read_organization,
    read_organizations,
    set_active,
)
from models.reconciliation import violations
from rules.permissions import Permission
from tests.builders import an_organization

ADMIN = Actor(UUID(int=9), None, frozenset({Permission.PLATFORM_ADMIN}), None, request_id="request-1")


async def makes(slug: str, *, key: str = "first", fingerprint: str = "a") -> tuple[OrganizationView, bool]:
    new = NewOrganization(slug, "Cirrus Labs", "billing@cirrus.example", "3 Cloud Street", None)
    return await create_organization(new, Intention("createOrganization", key, fingerprint), by=ADMIN)


async def audited(db: Connection, organization_id: UUID) -> list[tuple[str, object]]:
    query = "SELECT action, details FROM token_audit_logs WHERE organization_id = $1 ORDER BY id"
    return [(row["action"], row["details"]) for row in await db.fetch(query, organization_id)]


async def test_an_organization_is_made_once_under_its_key_however_often_and_at_once(db: Connection) -> None:
    told = await asyncio.gather(*(makes("cirrus") for _ in range(6)))

    assert sorted(replayed for _, replayed in told) == [False] + [True] * 5
    (view,) = {view for view, _ in told}
    assert (view.id, view.slug, view.tax_id, view.is_active) == (organization_id_of("first"), "cirrus", None, True)
    assert await audited(db, view.id) == [("organization.created", {"slug": "cirrus"})]
    assert await violations(db) == []
    with pytest.raises(IdempotencyConflict):
        await makes("cirrus", fingerprint="b")


async def test_a_slug_belongs_to_one_organization(db: Connection) -> None:
    await makes("cirrus")

    with pytest.raises(SlugTaken) as refused:
        await makes("cirrus", key="second")

    assert refused.value.slug == "cirrus"
    assert len(await db.fetch("SELECT 1 FROM organizations")) == 1
    assert (await makes("cirrus-2", key="second"))[1] is False


async def test_a_change_changes_what_it_names_and_audits_names_not_values(db: Connection) -> None:
    made, _ = await makes("cirrus")

    changed = await change_organization(made.id, OrganizationChange(address="9 Rain Road", tax_id="NO-7"), by=ADMIN)
    emptied = await change_organization(made.id, OrganizationChange(tax_id=""), by=ADMIN)
    nothing = await change_organization(made.id, OrganizationChange(), by=ADMIN)

    assert (changed.name, changed.contact_email) == ("Cirrus Labs", "billing@cirrus.example")
    assert (changed.address, changed.tax_id, emptied.tax_id) == ("9 Rain Road", "NO-7", None)
    assert nothing == emptied
    assert (await audited(db, made.id))[1:] == [
        ("organization.changed", {"fields": ["address", "tax_id"]}),
        ("organization.changed", {"fields": ["tax_id"]}),
    ]


async def test_stopping_and_starting_are_noted_when_they_change_something(db: Connection) -> None:
    made, _ = await makes("cirrus")

    for is_active in (False, False, True, True):
        assert (await set_active(made.id, is_active, by=ADMIN)).is_active is is_active
        found = await read_organization(db, made.id)
        assert (found is not None) is is_active

    assert [action for action, _ in await audited(db, made.id)] == [
        "organization.created",
        "organization.deactivated",
        "organization.reactivated",
    ]


async def test_what_does_not_exist_is_not_found(db: Connection) -> None:
    with pytest.raises(OrganizationNotFound):
        await change_organization(UUID(int=1), OrganizationChange(name="x"), by=ADMIN)
    with pytest.raises(OrganizationNotFound):
        await set_active(UUID(int=1), False, by=ADMIN)


async def test_organizations_are_listed_newest_first_page_by_page(db: Connection) -> None:
    made = [(await an_organization()).id for _ in range(5)]
    await set_active(made[2], False, by=ADMIN)

    first = await read_organizations(db, limit=3, before=None)
    rest = await read_organizations(db, limit=3, before=(first[-1].created_at, first[-1].id))

    assert [view.id for view in (*first, *rest)] == made[::-1]
