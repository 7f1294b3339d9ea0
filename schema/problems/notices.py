"""Refusals of notices as the API tells them."""

import strawberry

from models import errors
from schema.problems.problem import Problem, Shown, same


@strawberry.type(description="No such notice, or not within the caller's organization.")
class NoticeNotFound(Problem):
    pass


PROBLEMS: Shown = {errors.NoticeNotFound: (NoticeNotFound, same())}
