"""Refusals of scheduled jobs as the API tells them."""

import strawberry

from models import errors
from schema.problems.problem import Problem, Shown, same


@strawberry.type(description="No such background job.")
class JobNotFound(Problem):
    pass


@strawberry.type(description="Background jobs are switched off by the operators.")
class JobsDisabled(Problem):
    pass


PROBLEMS: Shown = {
    errors.JobNotFound: (JobNotFound, same()),
    errors.JobsDisabled: (JobsDisabled, same()),
}
