"""The same documents in every format, compression and container that collect reads."""

import bz2
import csv
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

TEXTS = [f'Document {number}, "quoted", café;\nits second line | and\ta tab.' for number in range(25)]


def _csv(texts: Sequence[str], delimiter: str) -> bytes:
    target = io.StringIO(newline="")
    csv.writer(target, delimiter=delimiter).writerows([("id", "text"), *enumerate(texts)])
    return target.getvalue().encode()


def _parquet(texts: Sequence[str]) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table({"text": texts}), target, row_group_size=7)
    return target.getvalue()


def _arrow(texts: Sequence[str], new: Callable[..., pa.ipc.RecordBatchFileWriter]) -> bytes:
    target = io.BytesIO()
    table = pa.table({"text": texts})
    with new(target, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)
    return target.getvalue()


def _warc(texts: Sequence[str], kind: str) -> bytes:
    records = []
    for number, text in enumerate(texts):
        body = text.encode()
        content = "text/plain"
        if kind == "response":
            body = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + body
            content = "application/http; msgtype=response"
        head = (
            f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: http://a.example/{number}\r\n"
            f"WARC-Date: 2024-01-01T00:00:00Z\r\nWARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-{number:012d}>\r\n"
            f"Content-Type: {content}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        records.append(head.encode() + body + b"\r\n\r\n")
    return b"".join(records)


FORMATS: dict[str, Callable[[Sequence[str]], bytes]] = {
    "a.txt": lambda texts: "<|end|>".join(texts).encode(),  # with separator
    "a.csv": lambda texts: _csv(texts, ","),
    "a.tsv": lambda texts: _csv(texts, "\t"),
    "a.json": lambda texts: json.dumps([{"text": text} for text in texts], indent=1).encode(),
    "a.jsonl": lambda texts: b"".join(json.dumps({"text": text}).encode() + b"\n" for text in texts),
    "a.parquet": _parquet,
    "a.arrow": lambda texts: _arrow(texts, pa.ipc.new_file),
    "b.arrow": lambda texts: _arrow(texts, pa.ipc.new_stream),
    "a.warc": lambda texts: _warc(texts, "response"),
    "a.warc.wet": lambda texts: _warc(texts, "conversion"),
}


def zstd(data: bytes) -> bytes:
    """One zstd frame."""
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd,
}


def zipped(members: dict[str, bytes]) -> bytes:
    """A zip archive."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    """A tar archive."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return target.getvalue()
