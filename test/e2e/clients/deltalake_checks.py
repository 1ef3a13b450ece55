"""Checks of deltalake (delta-rs): tables whose log hangs on conditional writes; how it is called is said in checks.py."""

import os
import threading

import pyarrow
from deltalake import DeltaTable, write_deltalake

from checks import BUCKET, ENDPOINT, MARKER, check, equal, main

TABLE = f"s3://{BUCKET}/delta/table ü"
OPTIONS = {
    "AWS_ENDPOINT_URL": ENDPOINT,
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": os.environ["AWS_ACCESS_KEY_ID"],
    "AWS_SECRET_ACCESS_KEY": os.environ["AWS_SECRET_ACCESS_KEY"],
    "AWS_ALLOW_HTTP": "true",
    "conditional_put": "etag",
}


def rows(start, count):
    ids = list(range(start, start + count))
    kinds = [f"kind {index % 3}" for index in ids]
    return pyarrow.table({"id": ids, "kind": kinds, "text": [f"{MARKER.decode()} {index}" for index in ids]})


def write(data, target=TABLE, **more):
    write_deltalake(target, data, storage_options=OPTIONS, **more)


def table(target=TABLE, **more):
    return DeltaTable(target, storage_options=OPTIONS, **more)


def ids(found):
    return sorted(found.to_pyarrow_table(columns=["id"]).column("id").to_pylist())


@check("write, append, read each version")
def versions():
    write(rows(0, 1000))
    write(rows(1000, 500), mode="append")
    write(rows(5000, 10), mode="overwrite")
    equal(ids(table()), list(range(5000, 5010)))
    equal(ids(table(version=0)), list(range(1000)))
    equal(ids(table(version=1)), list(range(1500)))
    equal([entry["version"] for entry in table().history()], [2, 1, 0])


@check("partitions, delete, update, merge")
def changes():
    target = f"s3://{BUCKET}/delta/changed"
    write(rows(0, 300), target, partition_by=["kind"])
    equal(len(table(target).file_uris(partition_filters=[("kind", "=", "kind 1")])), 1)
    table(target).delete("id < 100")
    table(target).update(updates={"text": "'changed'"}, predicate="id = 200")
    source = rows(290, 20)
    merge = table(target).merge(source, predicate="t.id = s.id", source_alias="s", target_alias="t")
    merge.when_matched_update_all().when_not_matched_insert_all().execute()
    equal(ids(table(target)), list(range(100, 310)))


@check("writers at once: none is lost")
def writers():
    target = f"s3://{BUCKET}/delta/raced"
    write(rows(0, 1), target)
    failed = []

    def append(number):
        try:
            write(rows(number * 10, 10), target, mode="append")
        except Exception as error:  # shown below
            failed.append(str(error))

    threads = [threading.Thread(target=append, args=[number]) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(failed, [])
    equal((table(target).version(), ids(table(target))), (6, [0, *range(10, 70)]))
    return "6 writers; each commit is a PUT with If-None-Match"


@check("optimize, checkpoint, vacuum")
def upkeep():
    target = f"s3://{BUCKET}/delta/kept"
    for number in range(5):
        write(rows(number * 10, 10), target, mode="append")
    table(target).optimize.compact()
    table(target).create_checkpoint()
    removed = table(target).vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    equal(len(removed), 5)
    equal((len(table(target).file_uris()), ids(table(target))), (1, list(range(50))))


main()
