"""What is decided about a wallet, not booked in it: its settings, and whether it is suspended.

Each change locks the wallet's row, so that whoever spends or orders at the same time sees it whole or not at all, and
writes its audit row with the old and the new values and its event in the same transaction. What is so already is not
done again and leaves no trace. Settings are for purchases still to be placed: those that were keep what they froze.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

from models import audit
from models.database import Connection, transaction
from models.errors import InvalidSetting
from models.feed import announce
from models.locking import LockedWallet, lock_wallet
from models.topics import Topic
from rules.spending import settle_expired
from rules.terms import RANGES, WalletSetting

# None is only for the validity: tokens that never expire.
Values: TypeAlias = Mapping[WalletSetting, Decimal | int | None]

UPDATE_SETTINGS = """
UPDATE organization_token_wallets SET price_per_token = $2, tax_rate = $3, payment_terms_days = $4,
    expiration_enabled = $5, expiration_days = coalesce($6, expiration_days), updated_at = now()
WHERE id = $1
"""

SUSPEND = """
UPDATE organization_token_wallets SET is_active = false, suspended_at = $2, suspension_reason = $3, updated_at = now()
WHERE id = $1
"""

REACTIVATE = """
UPDATE organization_token_wallets SET is_active = true, suspended_at = NULL, suspension_reason = NULL,
    updated_at = now()
WHERE id = $1
"""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whose wallet, who decides, and why; `reason` may be empty where none is asked for."""

    organization_id: UUID
    actor: str
    reason: str = ""
    request_id: str | None = None


def check_settings(values: Values) -> None:
    """Raises InvalidSetting for the first value that its setting cannot have."""
    for setting, value in values.items():
        allowed = RANGES[setting]
        if value is not None and not allowed.holds(Decimal(value)):
            raise InvalidSetting(
                setting=setting.value,
                minimum=allowed.minimum,
                maximum=allowed.maximum,
                decimal_places=allowed.decimal_places,
            )


async def update_settings(decision: Decision, values: Values, *, at: datetime) -> bool:
    """The wallet has these settings, the others as they were. Whether anything has changed.

    Raises InvalidSetting, WalletNotFound; nothing was changed then.
    """
    check_settings(values)
    async with transaction() as db:
        wallet = await lock_wallet(db, decision.organization_id, at=at)
        before = settings_of(wallet)
        after = {**before, **values}
        if after == before:
            return False
        price, tax_rate, terms_days, validity_days = (after[setting] for setting in WalletSetting)
        await db.execute(
            UPDATE_SETTINGS, wallet.id, price, tax_rate, terms_days, validity_days is not None, validity_days
        )
        changed = [setting for setting in WalletSetting if after[setting] != before[setting]]
        details = {
            setting.value: {"from": _plain(before[setting]), "to": _plain(after[setting])} for setting in changed
        }
        await _tell(db, wallet, decision, "settings_changed", details, at)
    return True


async def suspend(decision: Decision, *, at: datetime) -> bool:
    """The wallet is suspended. Whether it was not before: then its reason and its time stay the first ones.

    From now on nothing is spent, held or ordered; what the money has moved for is settled all the same. Raises
    WalletNotFound.
    """
    async with transaction() as db:
        wallet = await lock_wallet(db, decision.organization_id, at=at)
        if wallet.suspended_at is not None:
            return False
        await db.execute(SUSPEND, wallet.id, at, decision.reason)
        await _tell(db, wallet, decision, "suspended", {"reason": decision.reason}, at)
    return True


async def reactivate(decision: Decision, *, at: datetime) -> bool:
    """The wallet may be used. Whether it was suspended before. Raises WalletNotFound."""
    async with transaction() as db:
        wallet = await lock_wallet(db, decision.organization_id, at=at)
        if wallet.suspended_at is None:
            return False
        await db.execute(REACTIVATE, wallet.id)
        details = {
            "reason": decision.reason,
            "suspended_at": wallet.suspended_at.isoformat(),
            "suspension_reason": wallet.suspension_reason,
        }
        await _tell(db, wallet, decision, "reactivated", details, at)
    return True


def settings_of(wallet: LockedWallet) -> dict[WalletSetting, Decimal | int | None]:
    """What a wallet is set to now."""
    return {
        WalletSetting.PRICE_PER_TOKEN: wallet.price_per_token,
        WalletSetting.TAX_RATE: wallet.tax_rate,
        WalletSetting.PAYMENT_TERMS_DAYS: wallet.payment_terms_days,
        WalletSetting.VALIDITY_DAYS: wallet.validity_days,
    }


async def _tell(
    db: Connection,
    wallet: LockedWallet,
    decision: Decision,
    happened: str,
    details: Mapping[str, object],
    at: datetime,
) -> None:
    await audit.record(
        db,
        decision.organization_id,
        action=f"wallet.{happened}",
        resource="wallet",
        resource_id=wallet.id,
        actor=decision.actor,
        details=details,
        request_id=decision.request_id,
    )
    settled, _ = settle_expired(wallet.state, at)
    body = {
        "wallet_id": str(wallet.id),
        "happened": happened,
        "sequence": wallet.state.sequence,
        "available": f"{settled.available:f}",
        "held": f"{settled.held:f}",
        "occurred_at": at.isoformat(),
    }
    await announce(db, Topic.WALLET_ADMINISTERED, organization_id=decision.organization_id, body=body)


def _plain(value: Decimal | int | None) -> object:
    return f"{value:f}" if isinstance(value, Decimal) else value
