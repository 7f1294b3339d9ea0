"""Settings of a wallet, and suspending it."""

from decimal import Decimal
from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry
from strawberry import Maybe, Some
from strawberry.utils.str_converters import to_camel_case

from models import administration, errors
from models.database import retrying
from models.wallets import ensure_wallet
from rules.permissions import Permission
from rules.terms import CHANGED_BY, may_change
from schema.context import Info
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import requires_any
from schema.enums import WalletSetting
from schema.problems import InvalidSetting, SettingNotAllowed, WalletNotFound
from schema.scalars import clean_text
from schema.scope import wallet_owner
from schema.wallets import Wallet, wallet_of


@strawberry.input(
    description="What a wallet is set to from now on; what is left out stays. For purchases to come only."
)
class UpdateWalletSettingsInput:
    organization_id: strawberry.ID | None = strawberry.field(default=None, description="Null for the caller's own.")
    price_per_token: Maybe[Decimal | None] = strawberry.field(
        default=None,
        description="Before tax, in the wallet's currency: more than 0, at most 1,000,000 with 6 places. Takes "
        "FINANCE_MANAGE or PLATFORM_ADMIN.",
    )
    tax_rate: Maybe[Decimal | None] = strawberry.field(
        default=None,
        description="A share of one, 0 to 1, at most 6 places. Takes FINANCE_MANAGE or PLATFORM_ADMIN.",
    )
    payment_terms_days: Maybe[int | None] = strawberry.field(
        default=None, description="Days until an invoice is due, 0 to 365. Takes FINANCE_MANAGE or PLATFORM_ADMIN."
    )
    validity_days: Maybe[int | None] = strawberry.field(
        default=None, description="Days of 24 hours until bought tokens expire, 1 to 36,500; null for never."
    )


@strawberry.input(description="Which wallet to suspend, and why.")
class SuspendWalletInput:
    organization_id: strawberry.ID = strawberry.field(description="Whose wallet.")
    reason: str = strawberry.field(description="Why, 1 to 500 characters. Whoever is refused because of it reads it.")


@strawberry.input(description="Which wallet may be used again.")
class ReactivateWalletInput:
    organization_id: strawberry.ID = strawberry.field(description="Whose wallet.")
    reason: str = strawberry.field(default="", description="Why, up to 500 characters, for the audit trail.")


@strawberry.interface(description="The wallet as it is now.")
class WalletAdministered:
    wallet: Wallet = strawberry.field(description="The wallet.")
    changed: bool = strawberry.field(description="Whether this changed anything; false when it was so already.")


@strawberry.type(description="The wallet has these settings.")
class UpdateWalletSettingsSuccess(WalletAdministered):
    pass


@strawberry.type(description="The wallet is suspended. When it was before, its first reason and time stand.")
class SuspendWalletSuccess(WalletAdministered):
    pass


@strawberry.type(description="The wallet may be used.")
class ReactivateWalletSuccess(WalletAdministered):
    pass


UpdateWalletSettingsResult: TypeAlias = Annotated[
    UpdateWalletSettingsSuccess | InvalidSetting | SettingNotAllowed | WalletNotFound,
    strawberry.union("UpdateWalletSettingsResult"),
]
SuspendWalletResult: TypeAlias = Annotated[
    SuspendWalletSuccess | WalletNotFound, strawberry.union("SuspendWalletResult")
]
ReactivateWalletResult: TypeAlias = Annotated[
    ReactivateWalletSuccess | WalletNotFound, strawberry.union("ReactivateWalletResult")
]


def settings_from(input: UpdateWalletSettingsInput) -> dict[WalletSetting, Decimal | int | None]:
    """The settings that are named. Raises BAD_USER_INPUT when none is, and for null where it means nothing."""
    values: dict[WalletSetting, Decimal | int | None] = {}
    for setting in WalletSetting:
        given: Some[Decimal | int | None] | None = getattr(input, setting.value)
        if given is None:
            continue
        if given.value is None and setting is not WalletSetting.VALIDITY_DAYS:
            raise public_error(
                "Only validityDays can be null.", ErrorCode.BAD_USER_INPUT, field=to_camel_case(setting.value)
            )
        values[setting] = given.value
    if not values:
        raise public_error("Name at least one setting.", ErrorCode.BAD_USER_INPUT)
    return values


def refuse_what_is_not_allowed(info: Info, values: administration.Values) -> None:
    """Raises SettingNotAllowed for the first setting the caller may not change."""
    for setting in values:
        if not may_change(setting, info.context.caller().permissions):
            raise errors.SettingNotAllowed(setting=setting.value, permission=CHANGED_BY[setting][0].value)


async def decision_about(info: Info, owner: UUID, reason: str = "") -> administration.Decision:
    """Who decides about which wallet, and why; the wallet exists. Raises WalletNotFound."""
    await ensure_wallet(owner, info.context.product.options.wallet_defaults)
    return administration.Decision(owner, info.context.caller().name, reason, info.context.request_id)


async def wallet_now(info: Info, owner: UUID) -> Wallet:
    """Raises WalletNotFound."""
    wallet = await wallet_of(info, owner)
    if wallet is None:
        raise errors.WalletNotFound
    return wallet


@strawberry.type
class AdministrationMutations:
    @strawberry.mutation(
        description="Change what a wallet is set to. All of it is changed, or nothing. Purchases that have been placed "
        "keep the price and the tax they were placed at.",
        directives=requires_any(Permission.TOKENS_CONFIGURE, Permission.FINANCE_MANAGE, Permission.PLATFORM_ADMIN),
    )
    async def update_wallet_settings(
        self,
        info: Info,
        input: Annotated[UpdateWalletSettingsInput, strawberry.argument(description="The settings to change.")],
    ) -> UpdateWalletSettingsResult:
        owner, values = wallet_owner(info, input.organization_id), settings_from(input)
        refuse_what_is_not_allowed(info, values)
        administration.check_settings(values)
        decision = await decision_about(info, owner)
        changed = await retrying(lambda: administration.update_settings(decision, values, at=info.context.now))
        return UpdateWalletSettingsSuccess(wallet=await wallet_now(info, owner), changed=changed)

    @strawberry.mutation(
        description="Suspend a wallet: nothing is spent, held or ordered until it is reactivated. Purchases under way "
        "are settled, because their money may have moved, and it can be read, granted to and corrected.",
        directives=requires_any(Permission.FINANCE_MANAGE, Permission.PLATFORM_ADMIN),
    )
    async def suspend_wallet(
        self, info: Info, input: Annotated[SuspendWalletInput, strawberry.argument(description="The wallet.")]
    ) -> SuspendWalletResult:
        owner = wallet_owner(info, input.organization_id)
        reason = clean_text(input.reason, "reason", length_min=1)
        decision = await decision_about(info, owner, reason)
        changed = await retrying(lambda: administration.suspend(decision, at=info.context.now))
        return SuspendWalletSuccess(wallet=await wallet_now(info, owner), changed=changed)

    @strawberry.mutation(
        description="A suspended wallet may be used again.",
        directives=requires_any(Permission.FINANCE_MANAGE, Permission.PLATFORM_ADMIN),
    )
    async def reactivate_wallet(
        self, info: Info, input: Annotated[ReactivateWalletInput, strawberry.argument(description="The wallet.")]
    ) -> ReactivateWalletResult:
        owner = wallet_owner(info, input.organization_id)
        reason = clean_text(input.reason, "reason")
        decision = await decision_about(info, owner, reason)
        changed = await retrying(lambda: administration.reactivate(decision, at=info.context.now))
        return ReactivateWalletSuccess(wallet=await wallet_now(info, owner), changed=changed)
