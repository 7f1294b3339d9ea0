"""Questions to a part that has just been started: are you ready? Each answers True or False and never raises."""

from datetime import datetime

import httpx2
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from embedded.temporal import ANSWER, NAMESPACE

HTTP_SECONDS_MAX = 2.0
TASK_QUEUE = "scrip"


async def answers(url: str) -> bool:
    """GET `url` is answered with 200."""
    try:
        # Not through a proxy of the environment: the address is this machine's own.
        async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=HTTP_SECONDS_MAX) as client:
            return (await client.get(url)).status_code == 200
    except httpx2.HTTPError:
        return False


async def is_polled(temporal_address: str, since: datetime) -> bool:
    """Somebody asked the task queue for work after `since` (UTC).

    A worker that is gone is remembered for some minutes; what it asked before it went does not count.
    """
    request = DescribeTaskQueueRequest(
        namespace=NAMESPACE,
        task_queue=TaskQueue(name=TASK_QUEUE),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    try:
        client = await Client.connect(temporal_address, namespace=NAMESPACE)
        answer = await client.workflow_service.describe_task_queue(request, timeout=ANSWER)
    except (RPCError, RuntimeError):
        return False
    return any(poller.last_access_time.ToDatetime(tzinfo=since.tzinfo) >= since for poller in answer.pollers)
