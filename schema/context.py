"""What every resolver finds in `info.context`: the caller, and the parts of the product that it may need."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Self, TypeAlias
from uuid import UUID

import strawberry
from temporalio.client import Client

from activities.gateways.protocol import PaymentGateway
from models.actors import Actor
from models.hub import Hub
from models.tills import Tills
from models.wallets import WalletDefaults
from schema.credentials import IssuerTokens, OwnTokens
from schema.edge.masking import ErrorCode, public_error
from schema.loaders import Loaders


@dataclass(frozen=True, slots=True)
class Options:
    """The settings that resolvers need; windows and intervals are those of the purchase story."""

    token_system_enabled: bool
    background_jobs_enabled: bool
    low_balance: Decimal
    critical_balance: Decimal
    wallet_defaults: WalletDefaults
    default_gateway: str
    temporal_ui_url: str
    temporal_namespace: str
    public_url: str
    answer_timeout: timedelta
    action_window: timedelta
    processing_window: timedelta
    poll_interval: timedelta
    letter_attempts: int
    letter_pause: timedelta


@dataclass(frozen=True, slots=True)
class Product:
    """The running parts, wired by the door."""

    options: Options
    temporal: Client
    hub: Hub
    tills: Tills
    gateways: Mapping[str, PaymentGateway]
    own_tokens: OwnTokens
    issuer_tokens: IssuerTokens | None
    clock: Callable[[], datetime]


@dataclass(slots=True)
class Context:
    """One caller's context; a WebSocket has one for its whole life and a copy for each operation."""

    product: Product
    actor: Actor | None = None
    session_id: UUID | None = None
    request_id: str | None = None
    connection_params: dict[str, object] | None = None
    loaders: Loaders = field(default_factory=Loaders)

    def for_operation(self) -> Self:
        return replace(self, loaders=Loaders())

    @property
    def now(self) -> datetime:
        return self.product.clock()

    def caller(self) -> Actor:
        """The signed-in caller; guarded fields have one. Raises UNAUTHENTICATED."""
        if self.actor is None:
            raise public_error("Sign in first.", ErrorCode.UNAUTHENTICATED)
        return self.actor


Info: TypeAlias = strawberry.Info[Context, None]
