"""Job: one run of a scheduled job, page after page until there is none.

What a page does is the job's own affair (`activities/jobs.py`). A page that keeps failing ends the run, and the next
run begins anew: nothing is lost, because a job finds its work in the books.
"""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.jobs import JobActivities
    from activities.messages import JobPage, JobReport, JobRequest, JobStep
    from workflows.policies import JOBS


@workflow.defn(name="Job")
class JobWorkflow:
    @workflow.run
    async def run(self, request: JobRequest) -> JobReport:
        after, report, pages = request.after, request.so_far, 0
        while pages < request.pages_per_history:
            page = await self._work(JobStep(request.name, after))
            after, report, pages = page.after, report.with_page(page), pages + 1
            self._show(request.name, report)
            if after is None:
                break
        else:
            workflow.continue_as_new(JobRequest(request.name, after, report, request.pages_per_history))
        return report

    async def _work(self, step: JobStep) -> JobPage:
        return await workflow.execute_activity_method(
            JobActivities.work_a_page, step, summary=step.after or "from the beginning", **JOBS
        )

    def _show(self, name: str, report: JobReport) -> None:
        numbers = f"{report.looked_at} looked at, {report.changed} changed, {report.failed} failed"
        findings = "".join(f"\n- {finding}" for finding in report.findings)
        workflow.set_current_details(f"**{name}** {numbers}\n{findings}")
