"""Checks of s3fs (fsspec's S3, below pandas, dask, zarr and dvc); how it is called is said in checks.py."""

import os
import urllib.request

import s3fs

from checks import BUCKET, ENDPOINT, MARKER, MIB, SCALE, LeftOut, check, content, equal, main, md5, raises

fs = s3fs.S3FileSystem(
    endpoint_url=ENDPOINT,
    client_kwargs={"region_name": "us-east-1", "verify": os.environ.get("AWS_CA_BUNDLE", True)},
    config_kwargs={"signature_version": "s3v4", "s3": {"addressing_style": "path"}, "retries": {"max_attempts": 1}},
    use_listings_cache=False,
    default_block_size=5 * MIB,
)
ROOT = f"{BUCKET}/fs"


@check("files written and read whole")
def whole():
    edges = [0, 1, 65536, 65537, MIB + 1, 3 * MIB + 5]
    for size in edges:
        body = content(size)
        fs.pipe_file(f"{ROOT}/whole", body)
        equal(fs.cat_file(f"{ROOT}/whole"), body)
        info = fs.info(f"{ROOT}/whole")
        equal((info["size"], info["ETag"], info["type"]), (size, f'"{md5(body)}"', "file"))
    fs.rm(f"{ROOT}/whole")
    raises(FileNotFoundError, fs.cat_file, f"{ROOT}/whole")
    equal(fs.exists(f"{ROOT}/whole"), False)
    return f"{len(edges)} sizes"


@check("files written in parts, read by seeking")
def parts():
    body = content(SCALE * MIB + 3)
    with fs.open(f"{ROOT}/parts", "wb", block_size=5 * MIB) as file:
        for at in range(0, len(body), MIB):
            file.write(body[at : at + MIB])
    equal(fs.info(f"{ROOT}/parts")["size"], len(body))
    with fs.open(f"{ROOT}/parts", "rb", block_size=256 * 1024) as file:
        for at in (0, 5 * MIB - 10, len(body) - 15):
            file.seek(at)
            equal(file.read(20), body[at : at + 20])
    starts = [0, 5 * MIB - 1, 5 * MIB]
    equal(fs.cat_ranges([f"{ROOT}/parts"] * 3, starts, [at + 9 for at in starts]), [body[at : at + 9] for at in starts])
    equal(fs.tail(f"{ROOT}/parts", 33), body[-33:])
    equal(fs.cat_file(f"{ROOT}/parts"), body)


@check("append")
def append():
    first, second = content(6 * MIB), content(1000)
    fs.pipe_file(f"{ROOT}/append", first)
    with fs.open(f"{ROOT}/append", "ab") as file:
        file.write(second)
    equal(fs.cat_file(f"{ROOT}/append"), first + second)
    return "UploadPartCopy of what was there"


@check("exclusive creation")
def exclusive():
    with fs.open(f"{ROOT}/lock", "xb") as file:
        file.write(b"one")

    def again():
        with fs.open(f"{ROOT}/lock", "xb") as file:
            file.write(b"two")

    raises(FileExistsError, again)
    raises(FileExistsError, fs.pipe_file, f"{ROOT}/lock", b"three", mode="create")
    equal(fs.cat_file(f"{ROOT}/lock"), b"one")


@check("directories: ls, find, walk, glob, du, rm")
def directories():
    wanted = {f"{ROOT}/tree/{index % 3}/file {index:02}": index * 10 for index in range(20)}
    fs.pipe({path: content(size) for path, size in wanted.items()})
    equal(fs.du(f"{ROOT}/tree"), sum(wanted.values()))
    equal(sorted(fs.ls(f"{ROOT}/tree")), [f"{ROOT}/tree/{index}" for index in range(3)])
    equal({path: row["size"] for path, row in fs.find(f"{ROOT}/tree", detail=True).items()}, wanted)
    equal(len(fs.glob(f"{ROOT}/tree/*/file 1?")), 10)
    equal(sum(len(files) for _, _, files in fs.walk(f"{ROOT}/tree")), 20)
    fs.copy(f"{ROOT}/tree/0", f"{ROOT}/tree/copied", recursive=True)
    fs.mv(f"{ROOT}/tree/1/file 01", f"{ROOT}/tree/copied/moved")
    equal((len(fs.ls(f"{ROOT}/tree/copied")), len(fs.ls(f"{ROOT}/tree/1"))), (8, 6))
    fs.rm(f"{ROOT}/tree", recursive=True)
    equal(fs.exists(f"{ROOT}/tree"), False)


@check("put and get of local trees")
def trees():
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        for name in ("a", "b/c d", "b/ü"):
            path = f"{place}/up/{name}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content(5000))
        fs.put(f"{place}/up/", f"{ROOT}/local/", recursive=True)
        fs.get(f"{ROOT}/local/", f"{place}/down/", recursive=True)
        for name in ("a", "b/c d", "b/ü"):
            with open(f"{place}/up/{name}", "rb") as one, open(f"{place}/down/{name}", "rb") as other:
                equal(one.read(), other.read())


@check("metadata, set by a copy onto itself")
def metadata():
    body = content(2000)
    fs.pipe_file(f"{ROOT}/meta", body)
    fs.setxattr(f"{ROOT}/meta", owner=MARKER.decode(), state="new")
    equal(fs.getxattr(f"{ROOT}/meta", "owner"), MARKER.decode())
    fs.setxattr(f"{ROOT}/meta", state="old")
    equal(fs.metadata(f"{ROOT}/meta", refresh=True), {"owner": MARKER.decode(), "state": "old"})
    equal(fs.cat_file(f"{ROOT}/meta"), body)
    fs.put_tags(f"{ROOT}/meta", {"a": "1", "b": "two words"})
    equal(fs.get_tags(f"{ROOT}/meta"), {"a": "1", "b": "two words"})


@check("copies, one of them in parts")
def copies():
    body = content(12 * MIB)
    fs.pipe_file(f"{ROOT}/source", body)
    fs.copy(f"{ROOT}/source", f"{ROOT}/target ü+%")
    equal(fs.cat_file(f"{ROOT}/target ü+%"), body)
    # What s3fs does above 5 GB.
    from fsspec.asyn import sync

    sync(fs.loop, fs._copy_managed, f"{ROOT}/source", f"{ROOT}/managed", size=len(body), block=5 * MIB)
    equal(fs.cat_file(f"{ROOT}/managed"), body)


@check("signed URLs")
def signed():
    if ENDPOINT.startswith("https"):
        raise LeftOut("fetched over http only")
    body = content(100)
    fs.pipe_file(f"{ROOT}/signed", body)
    with urllib.request.urlopen(fs.sign(f"{ROOT}/signed", expiration=60)) as reply:
        equal(reply.read(), body)


main()
