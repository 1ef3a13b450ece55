"""Checks of pyarrow's S3 (the AWS SDK for C++) with files and Parquet; how it is called is said in checks.py."""

import os

import pyarrow
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet

from checks import BUCKET, ENDPOINT, MARKER, MIB, SCALE, check, content, equal, main, raises

scheme, _, host = ENDPOINT.partition("://")
fs = pyarrow.fs.S3FileSystem(
    access_key=os.environ["AWS_ACCESS_KEY_ID"],
    secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    region="us-east-1",
    scheme=scheme,
    endpoint_override=host,
    retry_strategy=pyarrow.fs.AwsStandardS3RetryStrategy(max_attempts=1),
    **({"tls_ca_file_path": os.environ["AWS_CA_BUNDLE"]} if scheme == "https" else {}),
)
ROOT = f"{BUCKET}/arrow"


def table(rows):
    text = MARKER.decode()
    return pyarrow.table(
        {
            "id": list(range(rows)),
            "kind": [f"kind {index % 3}" for index in range(rows)],
            "text": [f"{text} {index}" for index in range(rows)],
        }
    )


@check("files: streams in parts, seeks, metadata")
def files():
    for size in (0, 1, 65537, SCALE * MIB + 5):
        body = content(size)
        with fs.open_output_stream(f"{ROOT}/file", metadata={"Content-Type": "text/x-note"}) as out:
            for at in range(0, size, 3_000_000):
                out.write(body[at : at + 3_000_000])
        equal(fs.get_file_info(f"{ROOT}/file").size, size)
        with fs.open_input_stream(f"{ROOT}/file") as file:
            equal(file.read(), body)
    with fs.open_input_file(f"{ROOT}/file") as file:
        equal(file.size(), size)
        equal(file.read_at(100, 5 * MIB - 50), body[5 * MIB - 50 : 5 * MIB + 50])
        equal(file.metadata()["Content-Type"], b"text/x-note")
    fs.delete_file(f"{ROOT}/file")
    equal(fs.get_file_info(f"{ROOT}/file").type, pyarrow.fs.FileType.NotFound)
    raises(FileNotFoundError, fs.open_input_file, f"{ROOT}/file")


@check("directories, copies, moves and odd names")
def directories():
    fs.create_dir(f"{ROOT}/dir/empty")
    names = ["dir/a b+c", "dir/ü/😀", "dir/per%20cent", "dir/x=1/y"]
    for name in names:
        with fs.open_output_stream(f"{ROOT}/{name}") as out:
            out.write(content(500))
    infos = fs.get_file_info(pyarrow.fs.FileSelector(f"{ROOT}/dir", recursive=True))
    sizes = {info.path: info.size for info in infos if info.type == pyarrow.fs.FileType.File}
    equal(sizes, {f"{ROOT}/{name}": 500 for name in names})
    equal(fs.get_file_info(f"{ROOT}/dir/empty").type, pyarrow.fs.FileType.Directory)
    fs.copy_file(f"{ROOT}/dir/ü/😀", f"{ROOT}/dir/copy")
    fs.move(f"{ROOT}/dir/copy", f"{ROOT}/dir/moved")
    equal(fs.get_file_info(f"{ROOT}/dir/moved").size, 500)
    fs.delete_dir(f"{ROOT}/dir")
    equal(fs.get_file_info(pyarrow.fs.FileSelector(f"{ROOT}/dir", allow_not_found=True)), [])


@check("Parquet, whole and by columns and row groups")
def parquet():
    sent = table(50_000)
    for compression in ("none", "zstd"):
        path = f"{ROOT}/{compression}.parquet"
        pyarrow.parquet.write_table(sent, path, filesystem=fs, compression=compression, row_group_size=5_000)
        equal(pyarrow.parquet.read_table(path, filesystem=fs).equals(sent), True)
        file = pyarrow.parquet.ParquetFile(path, filesystem=fs)
        equal(file.read_row_group(7, columns=["id"]).column("id").to_pylist(), list(range(35_000, 40_000)))
    return "50,000 rows"


@check("partitioned dataset")
def dataset():
    sent = table(3_000)
    partitioning = pyarrow.dataset.partitioning(pyarrow.schema([("kind", pyarrow.string())]), flavor="hive")
    pyarrow.dataset.write_dataset(sent, f"{ROOT}/set", filesystem=fs, format="parquet", partitioning=partitioning)
    found = pyarrow.dataset.dataset(f"{ROOT}/set", filesystem=fs, format="parquet", partitioning=partitioning)
    equal(len(found.files), 3)
    rows = found.to_table(filter=pyarrow.dataset.field("kind") == "kind 1")
    equal(sorted(rows.column("id").to_pylist()), list(range(1, 3_000, 3)))


main()
