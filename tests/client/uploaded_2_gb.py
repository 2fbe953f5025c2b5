"""Uploads a sparse file of 2 GiB to an emulator in this process; prints the peak's growth and the size."""

import resource
import sys
from pathlib import Path

from airflow_provider.mixpeek.client import MixpeekClient
from airflow_provider.mixpeek.emulator import Emulator


def peak() -> int:
    """Bytes of memory that this process has had at most."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> None:
    path = Path(sys.argv[1]) / "large.mp4"
    with path.open("wb") as file:
        file.truncate(2 * 1024**3)
    small = path.with_name("small.mp4")
    small.write_bytes(b"x" * 5_000_000)
    with (
        Emulator(task_seconds=0) as emulator,
        MixpeekClient("sk", base_url=emulator.url, namespace="a") as client,
    ):
        bucket = client.buckets.create("files", schema={"clip": "video"}).bucket_id
        client.uploads.upload_file(bucket, small)
        before = peak()
        size = client.uploads.upload_file(bucket, path).size
        sys.stdout.write(f"{peak() - before} {size}\n")


if __name__ == "__main__":
    main()
