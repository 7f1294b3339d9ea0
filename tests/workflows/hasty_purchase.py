"""A purchase story changed without a thought for those that are running: it rests before it begins."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.messages import PurchaseRequest
    from workflows.purchase import PurchaseDecision, PurchaseWorkflow


@workflow.defn(name="Purchase")
class HastyPurchaseWorkflow(PurchaseWorkflow):
    @workflow.init
    def __init__(self, request: PurchaseRequest) -> None:
        super().__init__(request)

    @workflow.run
    async def run(self, request: PurchaseRequest) -> PurchaseDecision:
        await workflow.sleep(1)
        return await super().run(request)
