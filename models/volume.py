"""Volume tiers on offer: one schedule for plain quantities and one for each custom package that wants its own.

A schedule that has been in force is kept as it was; setting another one ends it. Whoever sets one holds a lock by the
name of what it is for, so that versions have no gaps and one at a time is in force.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from models.database import Connection, transaction
from models.errors import InvalidPackage, InvalidTiers, PackageNotFound
from models.keepers import Keeper, record_change
from rules import tiers
from rules.identity import derived_id
from rules.tiers import Schedule, Tier, TierMode, schedule_of

SCHEDULES = """
SELECT s.id, s.package_id, s.version, s.mode, s.valid_from,
       array_agg(t.up_to ORDER BY t.position) AS limits, array_agg(t.discount ORDER BY t.position) AS discounts
FROM volume_schedules s JOIN volume_tiers t ON t.schedule_id = s.id
WHERE {0} GROUP BY s.id
"""
OF_ONE = SCHEDULES.format("s.ended_at IS NULL AND s.package_id IS NOT DISTINCT FROM $1")
OF_MANY = SCHEDULES.format("s.ended_at IS NULL AND s.package_id = ANY ($1)")
BY_IDS = SCHEDULES.format("s.id = ANY ($1)")

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('scrip/volume/' || $1, 0))"
VERSIONS = "SELECT count(*) AS made FROM volume_schedules WHERE package_id IS NOT DISTINCT FROM $1"
END = """
UPDATE volume_schedules SET ended_at = greatest(valid_from, $2)
WHERE package_id IS NOT DISTINCT FROM $1 AND ended_at IS NULL
"""
BEGIN = "INSERT INTO volume_schedules (id, package_id, version, mode, valid_from) VALUES ($1, $2, $3, $4, $5)"
TIERS = """
INSERT INTO volume_tiers (id, schedule_id, position, up_to, discount)
SELECT t.id, $1, t.position, t.up_to, t.discount
FROM unnest($2::uuid[], $3::smallint[], $4::numeric[], $5::numeric[]) AS t(id, position, up_to, discount)
"""


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """A schedule in force; `package_id` None for plain quantities."""

    id: UUID
    package_id: UUID | None
    version: int
    valid_from: datetime
    schedule: Schedule


@dataclass(frozen=True, slots=True)
class TiersWanted:
    """The tiers that are to be in force: none at all for no volume discount."""

    package_id: UUID | None
    mode: TierMode
    tiers: tuple[Tier, ...]


async def read_schedule(db: Connection, package_id: UUID | None) -> ScheduleView | None:
    """The schedule in force for a package, or for plain quantities when there is none; None without volume tiers."""
    row = await db.fetch_one(OF_ONE, package_id)
    return None if row is None else _view(row)


async def schedules_by_id(db: Connection, schedule_ids: Sequence[UUID]) -> dict[UUID, ScheduleView]:
    """Schedules by their ids, whether they are in force or were; what does not exist is left out."""
    return {row["id"]: _view(row) for row in await db.fetch(BY_IDS, list(schedule_ids))}


async def schedules_of_packages(db: Connection, package_ids: Sequence[UUID]) -> dict[UUID, ScheduleView]:
    """The schedules in force of many packages in one statement, by package."""
    return {row["package_id"]: _view(row) for row in await db.fetch(OF_MANY, list(package_ids))}


async def set_tiers(wanted: TiersWanted, keeper: Keeper, *, at: datetime) -> ScheduleView | None:
    """These tiers are in force from now on, and None comes back when there are none. The same again changes nothing.

    Raises InvalidTiers, PackageNotFound, and InvalidPackage for a fixed one, whose price is its own.
    """
    schedule = _checked(wanted)
    async with transaction() as db:
        await db.execute(LOCK, str(wanted.package_id or "quantities"))
        await _refuse_fixed(db, wanted.package_id)
        present = await read_schedule(db, wanted.package_id)
        if (None if present is None else present.schedule) == schedule:
            return present
        await db.execute(END, wanted.package_id, at)
        if schedule is not None:
            await _begin(db, wanted.package_id, schedule, at)
        await _record(db, wanted, keeper)
        return await read_schedule(db, wanted.package_id)


def _checked(wanted: TiersWanted) -> Schedule | None:
    if not wanted.tiers:
        return None
    try:
        return schedule_of(wanted.mode, wanted.tiers)
    except tiers.InvalidTiers as wrong:
        raise InvalidTiers(reason=str(wrong)) from None


async def _refuse_fixed(db: Connection, package_id: UUID | None) -> None:
    if package_id is None:
        return
    row = await db.fetch_one("SELECT is_custom FROM token_packages WHERE id = $1", package_id)
    if row is None:
        raise PackageNotFound
    if not row["is_custom"]:
        raise InvalidPackage(field="is_custom", reason="Only a custom package has volume tiers.")


async def _begin(db: Connection, package_id: UUID | None, schedule: Schedule, at: datetime) -> None:
    made = await db.fetch_one(VERSIONS, package_id)
    version = (made["made"] if made else 0) + 1
    schedule_id = derived_id("volume schedule", package_id, version)
    await db.execute(BEGIN, schedule_id, package_id, version, schedule.mode.value, at)
    places = range(1, len(schedule.tiers) + 1)
    await db.execute(
        TIERS,
        schedule_id,
        [derived_id("volume tier", schedule_id, place) for place in places],
        list(places),
        [tier.up_to for tier in schedule.tiers],
        [tier.discount for tier in schedule.tiers],
    )


async def _record(db: Connection, wanted: TiersWanted, keeper: Keeper) -> None:
    tiers_told = [[None if tier.up_to is None else f"{tier.up_to:f}", f"{tier.discount:f}"] for tier in wanted.tiers]
    details = {"mode": wanted.mode.value, "tiers": tiers_told}
    await record_change(db, "volume_tiers.set", wanted.package_id or "quantities", keeper, details)


def _view(row: Any) -> ScheduleView:
    pairs = zip(row["limits"], row["discounts"], strict=True)
    schedule = Schedule(TierMode(row["mode"]), tuple(Tier(up_to, discount) for up_to, discount in pairs))
    return ScheduleView(row["id"], row["package_id"], row["version"], row["valid_from"], schedule)
