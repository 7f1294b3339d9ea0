"""What operators want to know of the workflow behind a thing."""

from datetime import datetime, timedelta
from urllib.parse import quote

import strawberry
from temporalio.service import RPCError

from schema.context import Info
from workflows.attributes import STAGE

# The client connects when it is first used, and then it is a RuntimeError that says it cannot.
AWAY = (RPCError, RuntimeError)
DESCRIBE_TIMEOUT = timedelta(seconds=2)


@strawberry.type(description="The workflow that works for something, as operators see it in the Temporal UI.")
class WorkflowLink:
    id: str = strawberry.field(description="The workflow id.")
    status: str = strawberry.field(description="RUNNING, COMPLETED, FAILED …")
    stage: str | None = strawberry.field(description="How far its story has come.")
    attempt: int | None = strawberry.field(description="Which attempt of its current step is running or waiting.")
    next_retry_at: datetime | None = strawberry.field(description="When its current step is tried again.")
    url: str = strawberry.field(description="Its page in the Temporal UI.")


async def describe_workflow(info: Info, workflow_id: str) -> WorkflowLink | None:
    """The workflow as Temporal knows it now, or None when it knows none or does not answer within two seconds."""
    product = info.context.product
    try:
        told = await product.temporal.get_workflow_handle(workflow_id).describe(rpc_timeout=DESCRIBE_TIMEOUT)
    except AWAY:
        return None
    pending = list(told.raw_description.pending_activities)
    step = pending[0] if pending else None
    retry = step.next_attempt_schedule_time.ToDatetime() if step and step.attempt > 1 else None
    options = product.options
    namespace = f"{options.temporal_ui_url}/namespaces/{options.temporal_namespace}"
    return WorkflowLink(
        id=workflow_id,
        status=told.status.name if told.status else "UNKNOWN",
        stage=told.typed_search_attributes.get(STAGE),
        attempt=step.attempt if step else None,
        next_retry_at=retry,
        url=f"{namespace}/workflows/{quote(workflow_id, safe='')}",
    )
