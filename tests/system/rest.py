"""What a person does in Airflow's UI, over its REST API."""

from __future__ import annotations

import time
from typing import Any

import httpx

from .processes import until

ENDED = ("success", "failed")


class AirflowApi:
    """
    Airflow's REST API, on an Airflow that lets everybody in.

    :param url: Of the API server.
    """

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=f"{url}/api/v2", timeout=30, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """Call an endpoint. SQLite makes Airflow answer 500 now and then, when two write at once."""
        for attempt in range(20):
            try:
                answer = self._http.request(method, path, **arguments)
            except httpx.TransportError:
                if attempt == 19:
                    raise
            else:
                if answer.status_code < 500:
                    break
            time.sleep(0.5)
        if answer.is_error:
            raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text[:2000]}")
        return answer.json() if answer.content and "json" in answer.headers["content-type"] else answer.text

    def is_healthy(self) -> bool:
        try:
            health = self._http.get("/monitor/health").json()
        except (httpx.TransportError, ValueError):
            return False
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return all((health.get(part) or {}).get("status") == "healthy" for part in parts)

    def dag_ids(self) -> list[str]:
        return [dag["dag_id"] for dag in self.call("GET", "/dags", params={"limit": 100})["dags"]]

    def import_errors(self) -> list[dict[str, Any]]:
        return self.call("GET", "/importErrors")["import_errors"]

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """Start a run, and return its id."""
        run = self.call("POST", f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf})
        return run["dag_run_id"]

    def run_state(self, dag_id: str, run_id: str) -> str:
        return self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"]

    def wait(self, dag_id: str, run_id: str, *, seconds: float = 180) -> str:
        """Wait until a run has ended, and return how."""

        def ended() -> str | None:
            state = self.run_state(dag_id, run_id)
            return state if state in ENDED else None

        return until(f"{dag_id} has ended", ended, seconds=seconds)

    def run(self, dag_id: str, *, seconds: float = 180, **conf: Any) -> str:
        """Run a DAG to its end, which must be a success; return the run's id."""
        run_id = self.trigger(dag_id, **conf)
        state = self.wait(dag_id, run_id, seconds=seconds)
        assert state == "success", self.story(dag_id, run_id)
        return run_id

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        return self.call("GET", path, params={"limit": 100})["task_instances"]

    def task(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        return self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}")

    def until_task(
        self, dag_id: str, run_id: str, task_id: str, *states: str, seconds: float = 120
    ) -> dict[str, Any]:
        """Wait until a task is in one of the states, and return it."""

        def there() -> dict[str, Any] | None:
            found = self.task(dag_id, run_id, task_id)
            return found if found["state"] in states else None

        return until(f"{task_id} is {' or '.join(states)}", there, seconds=seconds, every=0.1)

    def task_log(self, dag_id: str, run_id: str, task: dict[str, Any], number: int = 1) -> str:
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task['task_id']}/logs/{number}"
        answer = self.call("GET", path, params={"map_index": task["map_index"], "full_content": True})
        content = answer["content"] if isinstance(answer, dict) else answer
        return content if isinstance(content, str) else "\n".join(str(line) for line in content)

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.call("GET", path, params={"deserialize": True})["value"]

    def xcoms(self, dag_id: str, run_id: str, task: dict[str, Any]) -> list[dict[str, Any]]:
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task['task_id']}/xcomEntries"
        where = {"map_index": task["map_index"], "limit": 100}
        return self.call("GET", path, params=where)["xcom_entries"]

    def clear(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Clear one task of a run, as the button does, with nothing downstream."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": [task_id],
            "only_failed": False,
            "include_downstream": False,
            "reset_dag_runs": True,
        }
        self.call("POST", f"/dags/{dag_id}/clearTaskInstances", json=body)

    def mark_run(self, dag_id: str, run_id: str, state: str) -> None:
        self.call("PATCH", f"/dags/{dag_id}/dagRuns/{run_id}", json={"state": state})

    def end_runs(self) -> None:
        """Mark what still runs as failed, and wait until nothing does."""

        def running() -> list[dict[str, Any]]:
            where = {"state": ["running", "queued"], "limit": 100}
            return self.call("GET", "/dags/~/dagRuns", params=where)["dag_runs"]

        for run in running():
            self.mark_run(run["dag_id"], run["dag_run_id"], "failed")
        until("no run is left", lambda: not running(), seconds=60)

    def story(self, dag_id: str, run_id: str) -> str:
        """What became of a run: the state of each task, and the end of the logs of those that failed."""
        parts = [f"{dag_id} {run_id}: {self.run_state(dag_id, run_id)}"]
        for task in self.tasks(dag_id, run_id):
            parts.append(
                f"  {task['task_id']}[{task['map_index']}]: {task['state']}, try {task['try_number']}"
            )
            if task["state"] in ("failed", "up_for_retry"):
                number = max(task["try_number"], 1)
                parts.append(self.task_log(dag_id, run_id, task, number)[-4000:])
        return "\n".join(parts)
