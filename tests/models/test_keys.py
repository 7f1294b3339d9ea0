"""API keys: whoever shows the right secret acts, until the key expires, is revoked, or its organization stops."""

import asyncio
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from models.actors import Actor
from models.database import Connection
from models.errors import (
    ApiKeyNotFound,
    IdempotencyConflict,
    InvalidKeyExpiry,
    OrganizationNotFound,
    PermissionNotGrantable,
    TooManyApiKeys,
)
from models.intentions import Intention
from models.keys import (
    NOBODYS_HASH,
    KeyView,
    NewKey,
    create_key,
    find_key,
    hash_secret,
    key_id_of,
    note_use,
    read_keys,
    recognise_key,
    revoke_key,
)
from models.reconciliation import violations
from rules.permissions import Permission, parse_permissions
from tests.builders import Member, Organization, a_member, an_organization

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
VIEW, SPEND = Permission.TOKENS_VIEW, Permission.TOKENS_SPEND
SECRET = "the secret of a key that is long enough to be one"


def acting(member: Member) -> Actor:
    organization_id = None if member.organization is None else member.organization.id
    return Actor(member.id, organization_id, parse_permissions(member.permissions), None)


async def an_owner() -> tuple[Organization, Member]:
    aurora = await an_organization()
    return aurora, await a_member(aurora)


async def makes(
    member: Member,
    organization: Organization,
    *,
    key: str = "first",
    scopes: frozenset[Permission] = frozenset({VIEW, SPEND}),
    expires_at: datetime | None = None,
    secret: str = SECRET,
    fingerprint: str = "a",
) -> tuple[KeyView, bool]:
    new = NewKey(organization.id, "Reports", scopes, expires_at, hash_secret(secret), member.id)
    return await create_key(new, Intention("createApiKey", key, fingerprint), by=acting(member), at=NOW)


async def counted(db: Connection, table: str) -> int:
    row = await db.fetch_one(f"SELECT count(*) AS rows FROM {table}")
    assert row is not None
    rows: int = row["rows"]
    return rows


async def test_a_key_acts_for_its_organization_within_its_scopes(db: Connection) -> None:
    aurora, ada = await an_owner()

    made, replayed = await makes(ada, aurora, expires_at=NOW + HOUR)
    known = await recognise_key(db, made.id, SECRET, at=NOW)

    assert not replayed
    assert known is not None
    assert (known.organization_id, known.scopes, known.expires_at) == (aurora.id, frozenset({VIEW, SPEND}), NOW + HOUR)
    assert (made.id, made.created_by_id) == (key_id_of(aurora.id, "first"), ada.id)


async def test_what_is_stored_is_a_hash_and_what_is_audited_are_scopes(db: Connection) -> None:
    aurora, ada = await an_owner()
    made, _ = await makes(ada, aurora)

    (row,) = await db.fetch("SELECT secret_hash FROM api_keys")
    (audit,) = await db.fetch("SELECT * FROM token_audit_logs WHERE resource = 'api_key'")

    assert row["secret_hash"] == hashlib.sha256(SECRET.encode()).hexdigest()
    assert (audit["action"], audit["resource_id"], audit["actor"]) == (
        "api_key.created",
        str(made.id),
        f"user/{ada.id}",
    )
    assert audit["details"] == {"scopes": ["tokens.spend", "tokens.view"], "expires_at": None}
    assert await violations(db) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE api_keys SET revoked_at = now(), revoked_by = 'scrip'",
        "UPDATE api_keys SET expires_at = '2026-03-01T09:00:00Z'",
        "UPDATE organizations SET is_active = false",
        "UPDATE api_keys SET secret_hash = repeat('0', 64)",
    ],
    ids=["revoked", "expired at this instant", "inactive organization", "another secret"],
)
async def test_a_key_that_may_not_act_is_nobodys(db: Connection, statement: str) -> None:
    aurora, ada = await an_owner()
    made, _ = await makes(ada, aurora)

    await db.execute(statement)

    assert await recognise_key(db, made.id, SECRET, at=NOW) is None


async def test_a_key_goes_on_without_the_person_who_made_it(db: Connection) -> None:
    aurora, ada = await an_owner()
    made, _ = await makes(ada, aurora)

    await db.execute("UPDATE users SET is_active = false, permissions = '{}'")

    assert await recognise_key(db, made.id, SECRET, at=NOW) is not None


async def test_every_look_compares_once_in_constant_time_whether_or_not_there_is_such_a_key(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    aurora, ada = await an_owner()
    made, _ = await makes(ada, aurora)
    compared: list[tuple[object, object]] = []
    compare = hmac.compare_digest

    def noted(one: str, other: str) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noted)

    # when
    answers = [
        await recognise_key(db, key_id, secret, at=NOW)
        for key_id, secret in ((made.id, SECRET), (made.id, "wrong"), (UUID(int=1), SECRET), (UUID(int=1), "wrong"))
    ]

    # then
    right, wrong = hash_secret(SECRET), hash_secret("wrong")
    assert [answer is not None for answer in answers] == [True, False, False, False]
    assert compared == [(right, right), (right, wrong), (NOBODYS_HASH, right), (NOBODYS_HASH, wrong)]


async def test_use_is_noted_once_a_minute_and_of_many_at_once_by_one(db: Connection) -> None:
    # given
    aurora, ada = await an_owner()
    made, _ = await makes(ada, aurora)

    async def noted(at: datetime) -> datetime | None:
        await note_use(db, made.id, at=at)
        found = await find_key(db, made.id)
        assert found is not None
        return found.last_used_at

    # then
    assert await noted(NOW) == NOW
    assert await noted(NOW + timedelta(seconds=59)) == NOW
    assert await noted(NOW + timedelta(seconds=60)) == NOW + timedelta(seconds=60)
    known = [await recognise_key(db, made.id, SECRET, at=NOW + timedelta(seconds=each)) for each in (119, 120)]
    assert [key.is_use_noted for key in known if key] == [True, False]


async def test_the_same_idempotency_key_makes_one_key_however_often_and_at_once(db: Connection) -> None:
    # given
    aurora, ada = await an_owner()

    # when
    made = await asyncio.gather(*(makes(ada, aurora, secret=f"secret {number}") for number in range(8)))

    # then
    assert len({view.id for view, _ in made}) == 1
    assert sorted(replayed for _, replayed in made) == [False] + [True] * 7
    (first,) = [number for number, (_, replayed) in enumerate(made) if not replayed]
    known = [await recognise_key(db, made[0][0].id, f"secret {number}", at=NOW) is not None for number in range(8)]
    assert known == [number == first for number in range(8)]
    assert await counted(db, "token_audit_logs WHERE resource = 'api_key'") == 1
    with pytest.raises(IdempotencyConflict):
        await makes(ada, aurora, fingerprint="b")


async def test_a_key_is_refused_what_its_maker_lacks_and_nothing_is_made(db: Connection) -> None:
    # given
    aurora = await an_organization()
    vera = await a_member(aurora, permissions=("tokens.view", "tokens.configure", "finance.view"))
    admin = await a_member(None, permissions=("platform.admin", "tokens.view", "tokens.configure"))
    before = await counted(db, "token_audit_logs")

    # when
    refusals = {}
    for maker in (vera, admin):
        with pytest.raises(PermissionNotGrantable) as refused:
            await makes(maker, aurora, scopes=frozenset({VIEW, SPEND, Permission.FINANCE_VIEW}))
        refusals[maker.id] = refused.value.permissions

    # then
    assert set(refusals.values()) == {("finance.view", "tokens.spend")}
    assert (await counted(db, "api_keys"), await counted(db, "idempotency_keys")) == (0, 0)
    assert await counted(db, "token_audit_logs") == before


async def test_a_key_that_would_have_expired_already_is_not_made(db: Connection) -> None:
    aurora, ada = await an_owner()

    with pytest.raises(InvalidKeyExpiry):
        await makes(ada, aurora, expires_at=NOW)

    assert await counted(db, "api_keys") == 0


async def test_an_organization_has_a_hundred_working_keys_and_no_more(db: Connection) -> None:
    # given
    aurora, ada = await an_owner()
    await makes(ada, aurora)
    await db.execute(
        "INSERT INTO api_keys (id, organization_id, name, secret_hash, scopes, created_by_id)"
        " SELECT gen_random_uuid(), organization_id, name, secret_hash, scopes, created_by_id"
        " FROM api_keys, generate_series(1, 99)"
    )

    # when
    with pytest.raises(TooManyApiKeys) as refused:
        await makes(ada, aurora, key="second")
    await revoke_key(key_id_of(aurora.id, "first"), by=acting(ada), at=NOW)
    made, _ = await makes(ada, aurora, key="second")

    # then
    assert refused.value.maximum == 100
    assert (await find_key(db, made.id)) == made


async def test_revoking_is_noted_once_and_only_by_those_who_may_see_the_key(db: Connection) -> None:
    # given
    aurora, ada = await an_owner()
    _, eve = await an_owner()
    made, _ = await makes(ada, aurora)

    # when
    with pytest.raises(ApiKeyNotFound):
        await revoke_key(made.id, by=acting(eve), at=NOW)
    with pytest.raises(ApiKeyNotFound):
        await revoke_key(UUID(int=1), by=acting(ada), at=NOW)
    first = await revoke_key(made.id, by=acting(ada), at=NOW)
    again = await revoke_key(made.id, by=acting(ada), at=NOW + HOUR)

    # then
    assert first.revoked_at == again.revoked_at == NOW
    assert await counted(db, "token_audit_logs WHERE action = 'api_key.revoked'") == 1


async def test_keys_are_listed_newest_first_page_by_page_and_each_organizations_own(db: Connection) -> None:
    # given
    aurora, ada = await an_owner()
    boreal, bjorn = await an_owner()
    made = [(await makes(ada, aurora, key=str(number)))[0] for number in range(3)]
    await makes(bjorn, boreal)

    # when
    first = await read_keys(db, aurora.id, limit=2, before=None)
    rest = await read_keys(db, aurora.id, limit=2, before=(first[-1].created_at, first[-1].id))

    # then
    assert [*first, *rest] == sorted(made, key=lambda view: (view.created_at, view.id), reverse=True)


async def test_a_key_needs_an_organization_that_exists(db: Connection) -> None:
    _, ada = await an_owner()

    with pytest.raises(OrganizationNotFound):
        await makes(ada, Organization(UUID(int=1), "nowhere"))


@pytest.mark.parametrize(
    "change",
    [
        "secret_hash = 'in the clear'",
        "scopes = '{platform.admin}'",
        "scopes = '{}'",
        "name = ''",
        "revoked_at = now()",
    ],
)
async def test_the_database_itself_refuses_a_key_that_cannot_be(db: Connection, change: str) -> None:
    aurora, ada = await an_owner()
    await makes(ada, aurora)

    with pytest.raises(asyncpg.CheckViolationError):
        await db.execute(f"UPDATE api_keys SET {change}")
