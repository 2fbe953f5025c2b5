"""
Pictures of a folder, with a table beside them, become processed objects.

The table says what each picture shows. A retry sends no picture twice. The first task stands for whoever
brings files to a real folder, or to ``s3://my_connection@bucket/folder``. Needs the connection
``mixpeek_default``.
"""

from datetime import timedelta

from airflow.sdk import DAG, task

from airflow_provider.mixpeek.operators.batches import MixpeekProcessObjectsOperator
from airflow_provider.mixpeek.operators.buckets import MixpeekCreateBucketOperator
from airflow_provider.mixpeek.operators.uploads import MixpeekUploadFilesOperator

with DAG("mixpeek_picture_folder", schedule=None, catchup=False, tags=["mixpeek"]):

    @task
    def paint() -> str:
        """Twelve small pictures and a table of them, in a folder of this machine."""
        import csv
        import struct
        import tempfile
        import zlib
        from pathlib import Path

        def chunk(kind: bytes, content: bytes) -> bytes:
            check = zlib.crc32(kind + content)
            return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

        def png(red: int, green: int, blue: int) -> bytes:
            header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
            lines = (b"\0" + bytes((red, green, blue)) * 8) * 8
            parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
            return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, content) for kind, content in parts)

        folder = Path(tempfile.mkdtemp(prefix="pictures-"))
        with (folder / "colours.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["file", "name", "brightness"])
            for number in range(12):
                picture = folder / "pictures" / f"shade-{number:02}.png"
                picture.parent.mkdir(exist_ok=True)
                picture.write_bytes(png(number * 20, 80, 255 - number * 20))
                table.writerow([picture.name, f"Shade {number}", number / 12])
        return str(folder)

    folder = paint()
    bucket = MixpeekCreateBucketOperator(
        task_id="create_bucket",
        bucket="pictures",
        schema={"picture": "image", "name": "string", "brightness": "float"},
    )
    uploaded = MixpeekUploadFilesOperator(
        task_id="upload",
        bucket="pictures",
        files=f"{folder}/pictures",
        blob_property="picture",
        table=f"{folder}/colours.csv",
        retries=3,
    )
    [folder, bucket] >> uploaded
    MixpeekProcessObjectsOperator(
        task_id="process",
        objects=uploaded.output,
        deferrable=True,
        retries=2,
        retry_delay=timedelta(minutes=1),
    )
