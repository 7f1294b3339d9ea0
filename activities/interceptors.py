"""Every log line of an activity names the workflow, the step and the attempt it belongs to, and each attempt leaves one
line of its own: what was done, and how it ended. No arguments are logged."""

from collections.abc import Sequence
from typing import Any

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

log = structlog.get_logger("activities")


class ActivityLogging(Interceptor):
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Logged(next)


def _ids_in(args: Sequence[Any]) -> dict[str, str]:
    """The ids a message carries; nothing else of it may be logged."""
    message = args[0] if args else None
    found = {name: getattr(message, name, None) for name in ("purchase_id", "organization_id", "request_id")}
    return {name: str(value) for name, value in found.items() if value}


class _Logged(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        with structlog.contextvars.bound_contextvars(
            workflow_id=info.workflow_id,
            activity=info.activity_type,
            attempt=info.attempt,
            **_ids_in(input.args),
        ):
            try:
                result = await super().execute_activity(input)
            except ApplicationError as error:
                log.warning("activity.refused", error_type=error.type)
                raise
            except Exception as error:
                log.warning("activity.failed", error_type=type(error).__name__)
                raise
            log.info("activity.done")
            return result
