"""Refusals of organizations, people, their keys and sessions as the API tells them."""

from datetime import datetime

import strawberry

from models import errors
from rules.permissions import parse_permissions

# From where it becomes a type of the schema; whoever shows it earlier registers it a second time.
from schema.edge.permissions import Permission
from schema.problems.problem import Problem, Shown, same


@strawberry.type(description="No such organization, or not the caller's.")
class OrganizationNotFound(Problem):
    pass


@strawberry.type(description="The address or the password is wrong; which of them is not said.")
class SignInRefused(Problem):
    pass


@strawberry.type(description="The session has ended or its refresh token was used before.")
class SessionEnded(Problem):
    pass


@strawberry.type(
    description="Too many attempts with this address; said also when nobody has it, or the password is right."
)
class SignInLocked(Problem):
    retry_at: datetime = strawberry.field(description="When the next attempt is looked at.")


@strawberry.type(description="The present password is another one.")
class WrongPassword(Problem):
    pass


@strawberry.type(description="The new password is too short or too long.")
class InvalidPassword(Problem):
    length_min: int = strawberry.field(description="The fewest characters.")
    length_max: int = strawberry.field(description="The most characters.")


@strawberry.type(description="Another organization has this slug.")
class SlugTaken(Problem):
    slug: str = strawberry.field(description="The slug.")


@strawberry.type(description="No such member, or removed, or not within the caller's organization.")
class MemberNotFound(Problem):
    pass


@strawberry.type(description="Somebody signs in with this address already; who and where is not said.")
class EmailTaken(Problem):
    pass


@strawberry.type(description="Some permissions are not the caller's to give, to take or to put into a key.")
class PermissionNotGrantable(Problem):
    permissions: list[Permission] = strawberry.field(description="Those permissions.")


@strawberry.type(description="Nobody would be left who could let people in again.")
class LastAdministrator(Problem):
    pass


@strawberry.type(description="No such API key, or not within the caller's organization.")
class ApiKeyNotFound(Problem):
    pass


@strawberry.type(description="The key would have expired before it could be used.")
class InvalidKeyExpiry(Problem):
    expires_at: datetime = strawberry.field(description="When it would have.")


@strawberry.type(description="The organization has as many API keys that work as it may have.")
class TooManyApiKeys(Problem):
    maximum: int = strawberry.field(description="How many that is.")


PROBLEMS: Shown = {
    errors.OrganizationNotFound: (OrganizationNotFound, same()),
    errors.SignInRefused: (SignInRefused, same()),
    errors.SignInLocked: (SignInLocked, same("retry_at")),
    errors.SessionEnded: (SessionEnded, same()),
    errors.WrongPassword: (WrongPassword, same()),
    errors.InvalidPassword: (InvalidPassword, same("length_min", "length_max")),
    errors.SlugTaken: (SlugTaken, same("slug")),
    errors.MemberNotFound: (MemberNotFound, same()),
    errors.EmailTaken: (EmailTaken, same()),
    errors.PermissionNotGrantable: (
        PermissionNotGrantable,
        lambda refusal: {"permissions": sorted(parse_permissions(refusal.permissions))},
    ),
    errors.LastAdministrator: (LastAdministrator, same()),
    errors.ApiKeyNotFound: (ApiKeyNotFound, same()),
    errors.InvalidKeyExpiry: (InvalidKeyExpiry, same("expires_at")),
    errors.TooManyApiKeys: (TooManyApiKeys, same("maximum")),
}
