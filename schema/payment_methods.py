"""Ways to pay, as the API shows them, and the mutations that keep them."""

from typing import Annotated, Self, TypeAlias
from uuid import UUID

import strawberry

from activities.gateways.protocol import GatewayRejectedRequest, GatewayUnavailable, UnknownPaymentMethod
from models import errors
from models.payment_methods import (
    NewPaymentMethod,
    PaymentMethodView,
    add_payment_method,
    make_default,
    remove_payment_method,
)
from rules.permissions import Permission
from schema.context import Info
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import requires
from schema.ids import read_id
from schema.nodes import Node
from schema.problems import OrganizationNotFound, PaymentMethodNotFound, PaymentMethodRejected
from schema.scalars import clean_text
from schema.scope import required_organization


@strawberry.type(description="A way to pay. The gateway keeps it; only what may be shown is here.")
class PaymentMethod(Node):
    gateway: str = strawberry.field(description='Who keeps it: "sandbox" or "stripe".')
    kind: str = strawberry.field(description='Such as "card".')
    brand: str = strawberry.field(description='Such as "visa".')
    last4: str = strawberry.field(description="The last four digits.")
    expires_month: int | None = strawberry.field(description="1 to 12; null when it does not expire.")
    expires_year: int | None = strawberry.field(description="Four digits; null when it does not expire.")
    is_default: bool = strawberry.field(description="Whether purchases use it when they name none.")

    @classmethod
    def of(cls, view: PaymentMethodView) -> Self:
        return cls(
            key=view.id,
            gateway=view.gateway,
            kind=view.kind,
            brand=view.brand,
            last4=view.last4,
            expires_month=view.expires_month,
            expires_year=view.expires_year,
            is_default=view.is_default,
        )


@strawberry.input(description="A payment method that a gateway's own form has made.")
class AddPaymentMethodInput:
    gateway_token: str = strawberry.field(
        description="The gateway's token, never a card number. Sandbox tokens are listed in docs/operations.md."
    )
    organization_id: strawberry.ID | None = strawberry.field(default=None, description="Null for the caller's own.")


@strawberry.input(description="Which payment method.")
class PaymentMethodInput:
    payment_method_id: strawberry.ID = strawberry.field(description="The payment method.")
    organization_id: strawberry.ID | None = strawberry.field(default=None, description="Null for the caller's own.")


@strawberry.type(description="The payment method as it is now.")
class PaymentMethodSuccess:
    payment_method: PaymentMethod = strawberry.field(description="The payment method.")


AddPaymentMethodResult: TypeAlias = Annotated[
    PaymentMethodSuccess | PaymentMethodRejected | OrganizationNotFound, strawberry.union("AddPaymentMethodResult")
]
SetDefaultPaymentMethodResult: TypeAlias = Annotated[
    PaymentMethodSuccess | PaymentMethodNotFound | OrganizationNotFound,
    strawberry.union("SetDefaultPaymentMethodResult"),
]
RemovePaymentMethodResult: TypeAlias = Annotated[
    PaymentMethodSuccess | PaymentMethodNotFound | OrganizationNotFound, strawberry.union("RemovePaymentMethodResult")
]


async def describe(info: Info, organization_id: UUID, token: str) -> NewPaymentMethod:
    """What the gateway says about a token. Raises PaymentMethodRejected."""
    name = info.context.product.options.default_gateway
    try:
        details = await info.context.product.gateways[name].describe_method(token)
    except UnknownPaymentMethod:
        raise errors.PaymentMethodRejected(reason="the gateway does not know it") from None
    except GatewayUnavailable:
        raise public_error("The payment gateway does not answer; try again later.", ErrorCode.UNAVAILABLE) from None
    except GatewayRejectedRequest as rejection:
        raise errors.PaymentMethodRejected(reason=rejection.code) from None
    return NewPaymentMethod(
        organization_id,
        name,
        details.token,
        details.kind,
        details.brand,
        details.last4,
        details.expires_month,
        details.expires_year,
    )


def method_key(payment_method_id: str) -> UUID:
    """Raises PaymentMethodNotFound for an id of anything else."""
    found = read_id(payment_method_id, "PaymentMethod")
    if found is None:
        raise errors.PaymentMethodNotFound
    return found


@strawberry.type
class PaymentMethodMutations:
    @strawberry.mutation(
        description="Keep a payment method for later. The first becomes the default; adding one again changes nothing.",
        directives=requires(Permission.TOKENS_PURCHASE),
    )
    async def add_payment_method(
        self,
        info: Info,
        input: Annotated[AddPaymentMethodInput, strawberry.argument(description="The method to keep.")],
    ) -> AddPaymentMethodResult:
        owner = required_organization(info, input.organization_id)
        token = clean_text(input.gateway_token, "gatewayToken", length_min=1, length_max=200)
        actor = info.context.caller()
        new = await describe(info, owner, token)
        view = await add_payment_method(new, actor=actor.name, request_id=info.context.request_id)
        return PaymentMethodSuccess(payment_method=PaymentMethod.of(view))

    @strawberry.mutation(
        description="Purchases that name no payment method use this one from now on.",
        directives=requires(Permission.TOKENS_PURCHASE),
    )
    async def set_default_payment_method(
        self, info: Info, input: Annotated[PaymentMethodInput, strawberry.argument(description="Which method.")]
    ) -> SetDefaultPaymentMethodResult:
        owner, actor = required_organization(info, input.organization_id), info.context.caller()
        key = method_key(input.payment_method_id)
        view = await make_default(owner, key, actor=actor.name, request_id=info.context.request_id)
        return PaymentMethodSuccess(payment_method=PaymentMethod.of(view))

    @strawberry.mutation(
        description="Pay with it no more. Purchases already under way are not affected.",
        directives=requires(Permission.TOKENS_PURCHASE),
    )
    async def remove_payment_method(
        self, info: Info, input: Annotated[PaymentMethodInput, strawberry.argument(description="Which method.")]
    ) -> RemovePaymentMethodResult:
        owner, actor = required_organization(info, input.organization_id), info.context.caller()
        key = method_key(input.payment_method_id)
        view = await remove_payment_method(owner, key, actor=actor.name, request_id=info.context.request_id)
        return PaymentMethodSuccess(payment_method=PaymentMethod.of(view))
