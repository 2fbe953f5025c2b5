"""What an operator or sensor is given when it runs, as far as ours use it; keeps what JSON keeps."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


class Store:
    """The task state store."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.writes = 0

    def get(self, key: str) -> Any:
        return json.loads(self.kept.get(key, "null"))

    def set(self, key: str, value: Any) -> None:
        self.writes += 1
        self.kept[key] = json.dumps(value)


@dataclass
class Kept:
    """What Airflow keeps of a task between its tries and deferrals."""

    store: Store | None = field(default_factory=Store)
    xcoms: dict[tuple[int, str], str] = field(default_factory=dict)

    def _pulled(self, *, key: str, map_indexes: int | None = None) -> Any:
        """One value, or the list of all siblings' where no index is given and there are several, or none."""
        found = [json.loads(kept) for (index, name), kept in self.xcoms.items() if name == key]
        if map_indexes is not None:
            return json.loads(self.xcoms.get((map_indexes, key), "null"))
        return found[0] if len(found) == 1 else found

    def context(self, **ti: Any) -> Any:
        """The context of a try; ``ti`` is what of the task instance is not as in a first try."""
        map_index = ti.get("map_index", -1)
        instance = {
            "dag_id": "shop",
            "run_id": "monday",
            "task_id": "task",
            "map_index": map_index,
            "try_number": 1,
            "max_tries": 0,
            "task": SimpleNamespace(retries=0),
            "xcom_push": lambda key, value: self.xcoms.update({(map_index, key): json.dumps(value)}),
            "xcom_pull": self._pulled,
        }
        return {"ti": SimpleNamespace(**instance | ti)} | (
            {"task_state_store": self.store} if self.store else {}
        )
