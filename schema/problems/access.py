"""Refusals of organisations, people and sessions as the API tells them."""

import strawberry

from models import errors
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


PROBLEMS: Shown = {
    errors.OrganizationNotFound: (OrganizationNotFound, same()),
    errors.SignInRefused: (SignInRefused, same()),
    errors.SessionEnded: (SessionEnded, same()),
}
