"""Checks of DuckDB with its httpfs extension; how it is called is said in checks.py."""

import os
from importlib.resources import files

import duckdb

from checks import BUCKET, ENDPOINT, MARKER, check, equal, main, raises

scheme, _, host = ENDPOINT.partition("://")
ROOT = f"s3://{BUCKET}/duck"


def connect():
    db = duckdb.connect()
    [extension] = (files("duckdb_extension_httpfs") / "extensions").glob("*/httpfs.duckdb_extension")
    db.execute(f"LOAD '{extension}'")
    if scheme == "https":
        db.execute(f"SET GLOBAL ca_cert_file = '{os.environ['AWS_CA_BUNDLE']}'")
    key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    db.execute(
        f"CREATE SECRET s (TYPE s3, KEY_ID '{key}', SECRET '{secret}', REGION 'us-east-1', "
        f"ENDPOINT '{host}', URL_STYLE 'path', USE_SSL {str(scheme == 'https').lower()})"
    )
    return db


db = connect()
db.execute(f"CREATE TABLE t AS SELECT i AS id, i % 4 AS kind, '{MARKER.decode()} ' || i AS text FROM range(200000) r(i)")


def one(query):
    return db.execute(query).fetchone()


@check("COPY TO and FROM Parquet and CSV")
def copies():
    for format, options in (("parquet", "COMPRESSION uncompressed"), ("parquet", "COMPRESSION zstd"), ("csv", "HEADER")):
        path = f"{ROOT}/t ü+1.{format}"
        db.execute(f"COPY t TO '{path}' (FORMAT {format}, {options})")
        db.execute("CREATE OR REPLACE TABLE back AS FROM t LIMIT 0")
        db.execute(f"COPY back FROM '{path}' (FORMAT {format}{', HEADER' if format == 'csv' else ''})")
        equal(one("SELECT count(*), sum(id), min(text) FROM back"), one("SELECT count(*), sum(id), min(text) FROM t"))
    return "200,000 rows, in parts"


@check("filters and columns, by ranges")
def filters():
    db.execute(f"COPY (FROM t ORDER BY id) TO '{ROOT}/sorted.parquet' (FORMAT parquet, ROW_GROUP_SIZE 10000)")
    equal(one(f"SELECT text FROM '{ROOT}/sorted.parquet' WHERE id = 123456"), (f"{MARKER.decode()} 123456",))
    equal(one(f"SELECT sum(id) FROM '{ROOT}/sorted.parquet' WHERE id BETWEEN 5 AND 10"), (45,))


@check("hive partitions and globs")
def partitions():
    db.execute(f"COPY t TO '{ROOT}/parts' (FORMAT parquet, PARTITION_BY (kind), OVERWRITE_OR_IGNORE)")
    source = f"read_parquet('{ROOT}/parts/*/*.parquet', hive_partitioning = true)"
    equal(one(f"SELECT count(*), count(DISTINCT kind) FROM {source}"), (200000, 4))
    equal(one(f"SELECT count(*), max(id) FROM {source} WHERE kind = 2"), (50000, 199998))
    equal(len(db.execute(f"SELECT * FROM glob('{ROOT}/parts/**/*.parquet')").fetchall()) >= 4, True)
    wanted = one(f"SELECT sum(size) FROM read_blob('{ROOT}/parts/kind=1/*')")
    equal(wanted, one(f"SELECT sum(octet_length(content)) FROM read_blob('{ROOT}/parts/kind=1/*')"))


@check("a database file attached from the bucket")
def attached():
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        db.execute(f"ATTACH '{place}/file.db' AS file")
        db.execute("CREATE TABLE file.t AS FROM t")
        db.execute("DETACH file")
        import s3fs

        verify = os.environ.get("AWS_CA_BUNDLE", True)
        fs = s3fs.S3FileSystem(endpoint_url=ENDPOINT, client_kwargs={"verify": verify})
        fs.put_file(f"{place}/file.db", f"{BUCKET}/duck/file.db")
        shutil.rmtree(place, ignore_errors=True)
        os.makedirs(place, exist_ok=True)
    db.execute(f"ATTACH '{ROOT}/file.db' AS remote (READ_ONLY)")
    equal(one("SELECT count(*), sum(id) FROM remote.t"), one("SELECT count(*), sum(id) FROM t"))
    equal(one("SELECT text FROM remote.t WHERE id = 77777"), (f"{MARKER.decode()} 77777",))


@check("what is not there")
def missing():
    error = raises(duckdb.Error, db.execute, f"FROM '{ROOT}/none.parquet'")
    equal("404" in str(error) or "No files found" in str(error), True)


main()
