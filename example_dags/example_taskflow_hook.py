"""
TaskFlow with the hook: objects written one by one, where a whole table would be too much.

The hook's ``buckets``, ``objects``, ``batches`` and ``tasks`` are the client's. An idempotency key makes a
create safe to repeat. Needs the connection ``mixpeek_default``.
"""

from airflow.sdk import dag, task

from airflow_provider.mixpeek.sensors.tasks import MixpeekTaskSensor


@dag(schedule=None, catchup=False, tags=["mixpeek"])
def mixpeek_taskflow_hook():
    @task
    def submit_notes(notes: list[str]) -> list[dict]:
        from airflow_provider.mixpeek.hooks.mixpeek import MixpeekHook

        hook = MixpeekHook()
        bucket = hook.buckets.create("notes", schema={"note": "text"}, if_exists="reuse")
        created = [
            hook.objects.create(
                bucket.bucket_id,
                blobs=[{"property": "note", "type": "text", "data": {"text": note}}],
                idempotency_key=f"note-{number}",
            )
            for number, note in enumerate(notes)
        ]
        batch = hook.batches.create(bucket.bucket_id, [one.object_id for one in created])
        submitted = hook.batches.submit(bucket.bucket_id, batch.batch_id, force=True)
        return [{"task_id": submitted.task_id, "batch_id": batch.batch_id, "bucket": bucket.bucket_id}]

    MixpeekTaskSensor(
        task_id="wait_until_processed",
        task_ids=submit_notes(["A red shoe.", "A blue one.", "https://example.com is not fetched."]),
        poke_interval=1,
        timeout=15 * 60,
    )


mixpeek_taskflow_hook()
