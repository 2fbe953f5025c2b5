"""
The least that a load needs of a server, so that what is measured is the load: it stores nothing.

Run as a program it prints its port and serves until its input ends. Argument: seconds until an answer.
"""

from __future__ import annotations

import asyncio
import json
import sys
from functools import partial
from itertools import count
from typing import Any

BUCKET = {
    "bucket_id": "bkt_bare",
    "bucket_name": "bare",
    "bucket_schema": {
        "properties": {
            name: {"type": kind}
            for name, kind in {
                "title": "text", "sku": "string", "price": "float", "stars": "integer", "metadata": "object",
            }.items()
        }
    },
}  # fmt: skip

#: The same with a unique key: such a bucket takes one object a request.
UNIQUE = BUCKET | {"bucket_id": "bkt_unique", "unique_key": {"fields": ["sku"], "default_policy": "upsert"}}

_numbers = count()


def answer(path: str, body: bytes) -> dict[str, Any]:
    if path.endswith("/me"):
        return {"organization_id": "org_bare"}
    if path.endswith("/objects/batch"):
        objects = range(body.count(b'"idempotency_key"'))
        made = [{"object_id": f"obj_{next(_numbers):016}", "object_index": index} for index in objects]
        return {"succeeded": made, "failed": []}
    if path.endswith("/objects"):
        return {"object_id": f"obj_{next(_numbers):016}", "bucket_id": "bkt_unique", "status": "PENDING"}
    if path.endswith("/batches"):
        return {"batch_id": f"btch_{next(_numbers)}", "status": "DRAFT"}
    if path.endswith("/submit"):
        return {"task_id": f"task_{next(_numbers)}", "status": "PENDING"}
    return UNIQUE if path.endswith("/bkt_unique") else BUCKET


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, latency: float) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode().split("\r\n")
            path = lines[0].split(" ")[1].partition("?")[0]
            sizes = [line for line in lines if line.lower().startswith("content-length:")]
            body = await reader.readexactly(int(sizes[0].partition(":")[2])) if sizes else b""
            if latency:
                await asyncio.sleep(latency)
            content = json.dumps(answer(path, body)).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (len(content), content)
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main(latency: float) -> None:
    server = await asyncio.start_server(partial(serve, latency=latency), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(float(*sys.argv[1:])))
