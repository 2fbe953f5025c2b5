"""A server on which every task runs for ever; it counts how often it is asked. Prints its address."""

from __future__ import annotations

import asyncio
import json
import sys

_asked = 0


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one connection's requests."""
    global _asked
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            path = head.split(b" ", 2)[1].decode()
            if path.startswith("/v1/tasks/"):
                _asked += 1
                answer = {"task_id": path.rpartition("/")[2], "status": "IN_PROGRESS"}
            else:
                answer = {"count": _asked}
            content = json.dumps(answer).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (len(content), content)
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    """Serve until killed."""
    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await listening.serve_forever()


asyncio.run(main())
