"""People and sessions: who may come in is asked of their rows each time, and a copied refresh token ends a session."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from models.database import Connection
from models.errors import SessionEnded
from models.members import (
    Member,
    RefreshStep,
    end_session,
    hash_token,
    member_by_email,
    member_in_session,
    open_session,
    rotate,
)
from models.reconciliation import violations
from rules.permissions import Permission
from tests.builders import Organization, a_member, an_organization

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
A_WEEK = timedelta(days=7)
SESSION = UUID(int=5)


async def signed_in(db: Connection, organization: Organization | None) -> Member:
    """Somebody with a session whose first refresh token is "first"."""
    permissions = ("tokens.view", "tokens.everything")
    ada = await member_by_email(db, (await a_member(organization, permissions=permissions)).email)
    assert ada is not None
    await open_session(ada, SESSION, hash_token("first"), expires_at=NOW + A_WEEK, at=NOW)
    return ada


def a_step(generation: int, old: str, new: str) -> RefreshStep:
    return RefreshStep(SESSION, generation, hash_token(old), hash_token(new), NOW + 2 * A_WEEK)


async def audited(db: Connection) -> list[tuple[str, str]]:
    rows = await db.fetch("SELECT action, actor FROM token_audit_logs WHERE resource = 'session' ORDER BY id")
    return [(row["action"], row["actor"]) for row in rows]


async def test_a_member_is_found_by_their_address_in_any_case_with_the_permissions_that_exist(db: Connection) -> None:
    aurora = await an_organization()
    ada = await signed_in(db, aurora)

    assert await member_by_email(db, ada.email.upper()) == ada
    assert (ada.organization_id, ada.permissions) == (aurora.id, frozenset({Permission.TOKENS_VIEW}))
    assert await member_by_email(db, "nobody@aurora.example") is None


async def test_opening_a_session_is_audited_and_noted_as_the_last_sign_in(db: Connection) -> None:
    ada = await signed_in(db, await an_organization())

    row = await db.fetch_one("SELECT last_login FROM users WHERE id = $1", ada.id)
    assert row is not None
    assert row["last_login"] == NOW
    assert await audited(db) == [("session.opened", f"user/{ada.id}")]
    assert await member_in_session(db, ada.id, SESSION) == ada
    assert await violations(db) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users SET is_active = false",
        "UPDATE organizations SET is_active = false",
        "UPDATE sessions SET revoked_at = now()",
    ],
)
async def test_whoever_was_shut_out_is_out_at_once(db: Connection, statement: str) -> None:
    ada = await signed_in(db, await an_organization())

    await db.execute(statement)

    assert await member_in_session(db, ada.id, SESSION) is None


async def test_a_session_belongs_to_one_person(db: Connection) -> None:
    aurora = await an_organization()
    await signed_in(db, aurora)
    eve = await a_member(aurora)

    assert await member_in_session(db, eve.id, SESSION) is None


async def test_each_refresh_token_is_good_once(db: Connection) -> None:
    ada = await signed_in(db, await an_organization())

    assert await rotate(a_step(1, "first", "second"), at=NOW) == ada.id
    assert await rotate(a_step(2, "second", "third"), at=NOW) == ada.id

    assert await member_in_session(db, ada.id, SESSION) == ada


@pytest.mark.parametrize("organized", [True, False], ids=["of an organization", "of the platform"])
async def test_a_used_refresh_token_ends_the_session_for_everybody_and_that_is_audited(
    db: Connection, organized: bool
) -> None:
    # given
    ada = await signed_in(db, await an_organization() if organized else None)
    await rotate(a_step(1, "first", "second"), at=NOW)

    # when
    with pytest.raises(SessionEnded):
        await rotate(a_step(1, "first", "stolen"), at=NOW)

    # then
    assert await member_in_session(db, ada.id, SESSION) is None
    with pytest.raises(SessionEnded):
        await rotate(a_step(2, "second", "third"), at=NOW)
    assert await audited(db) == [("session.opened", f"user/{ada.id}"), ("session.revoked", "scrip")]
    row = await db.fetch_one("SELECT organization_id FROM token_audit_logs WHERE action = 'session.revoked'")
    assert row is not None
    assert row["organization_id"] == ada.organization_id
    assert await violations(db) == []


@pytest.mark.parametrize(
    ("step", "at"),
    [
        (a_step(1, "guessed", "second"), NOW),
        (a_step(2, "first", "second"), NOW),
        (a_step(1, "first", "second"), NOW + A_WEEK),
    ],
    ids=["another token", "another generation", "too late"],
)
async def test_any_other_refresh_token_ends_the_session(db: Connection, step: RefreshStep, at: datetime) -> None:
    ada = await signed_in(db, await an_organization())

    with pytest.raises(SessionEnded):
        await rotate(step, at=at)

    assert await member_in_session(db, ada.id, SESSION) is None


async def test_a_refresh_token_used_ten_times_at_once_is_good_once_and_then_ends_the_session(db: Connection) -> None:
    ada = await signed_in(db, await an_organization())

    answers = await asyncio.gather(
        *(rotate(a_step(1, "first", f"next {n}"), at=NOW) for n in range(10)), return_exceptions=True
    )

    assert [answer for answer in answers if not isinstance(answer, SessionEnded)] == [ada.id]
    assert await member_in_session(db, ada.id, SESSION) is None
    assert len(await audited(db)) == 2
    assert await violations(db) == []


async def test_signing_out_twice_is_audited_once(db: Connection) -> None:
    aurora = await an_organization()
    ada = await signed_in(db, aurora)

    for _ in range(2):
        await end_session(SESSION, aurora.id, at=NOW)

    assert await member_in_session(db, ada.id, SESSION) is None
    assert [action for action, _ in await audited(db)] == ["session.opened", "session.ended"]
    assert await violations(db) == []
