"""Checks of obstore (the Rust object_store, below many Python and Rust programs); how it is called is said in checks.py."""

import io
import os
import ssl
import urllib.request
from datetime import timedelta

import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import S3Store

from checks import BUCKET, ENDPOINT, MIB, SCALE, check, content, equal, main, md5, raises

PART = 5 * MIB
store = S3Store(
    BUCKET,
    endpoint=ENDPOINT,
    region="us-east-1",
    access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
    secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    virtual_hosted_style_request=False,
    client_options={"allow_http": True},
    retry_config={"max_retries": 0},
)


def get(path, **options):
    return bytes(obstore.get(store, path, options=options).bytes())


@check("put, get, head and delete")
def sizes():
    edges = [0, 1, 65535, 65536, 65537, MIB + 1, 3 * MIB + 5]
    for size in edges:
        body = content(size)
        put = obstore.put(store, "edge", body, use_multipart=False)
        equal(put["e_tag"], f'"{md5(body)}"')
        head = obstore.head(store, "edge")
        equal((head["size"], head["e_tag"]), (size, put["e_tag"]))
        equal(get("edge"), body)
    obstore.delete(store, "edge")
    raises(FileNotFoundError, obstore.head, store, "edge")
    raises(FileNotFoundError, obstore.get, store, "edge")
    return f"{len(edges)} sizes"


@check("parts in parallel, up and down")
def parts():
    body = content(SCALE * MIB + 7)
    put = obstore.put(store, "parts", io.BytesIO(body), chunk_size=PART, max_concurrency=3)
    tags = [bytes.fromhex(md5(body[at : at + PART])) for at in range(0, len(body), PART)]
    equal(put["e_tag"], f'"{md5(b"".join(tags))}-{len(tags)}"')
    equal(b"".join(bytes(piece) for piece in obstore.get(store, "parts").stream(min_chunk_size=MIB)), body)
    starts = [0, PART - 1, PART, len(body) - 9]
    pieces = obstore.get_ranges(store, "parts", starts=starts, lengths=[9] * 4)
    equal([bytes(piece) for piece in pieces], [body[at : at + 9] for at in starts])
    return f"{len(tags)} parts"


@check("ranges")
def ranges():
    body = content(200_001)
    obstore.put(store, "range", body)
    equal(bytes(obstore.get_range(store, "range", start=65_530, length=20)), body[65_530:65_550])
    equal(get("range", range={"offset": 200_000}), body[200_000:])
    equal(get("range", range={"suffix": 77}), body[-77:])
    obstore.put(store, "nothing", b"")
    equal(get("nothing"), b"")


@check("attributes, and metadata outside ASCII")
def attributes():
    sent = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store", "owner": "somebody"}
    obstore.put(store, "attributes", content(100), attributes=sent)
    found = {str(name): value for name, value in obstore.get(store, "attributes").attributes.items()}
    equal({name: found.get(name) for name in sent}, sent)
    # Written by another client before this program; such a header used to make the whole object unreadable.
    reply = obstore.get(store, "outside-ascii")
    equal(bytes(reply.bytes()), b"written elsewhere")


@check("conditional writes and reads")
def conditions():
    first = obstore.put(store, "once", content(50), mode="create")
    raises(AlreadyExistsError, obstore.put, store, "once", content(50), mode="create")
    second = obstore.put(store, "once", content(60), mode={"e_tag": first["e_tag"]})
    raises(PreconditionError, obstore.put, store, "once", content(70), mode={"e_tag": first["e_tag"]})
    equal(len(get("once", if_match=second["e_tag"])), 60)
    raises(PreconditionError, obstore.get, store, "once", options={"if_match": first["e_tag"]})


@check("listings, flat and by directory")
def listings():
    wanted = {f"tree/{index % 3}/file {index:02}": index * 100 for index in range(30)}
    for path, size in wanted.items():
        obstore.put(store, path, content(size))
    rows = [row for page in obstore.list(store, prefix="tree", chunk_size=7) for row in page]
    equal({row["path"]: row["size"] for row in rows}, wanted)
    level = obstore.list_with_delimiter(store, prefix="tree")
    equal((sorted(level["common_prefixes"]), level["objects"]), (["tree/0", "tree/1", "tree/2"], []))
    obstore.delete(store, list(wanted))
    equal([row for page in obstore.list(store, prefix="tree") for row in page], [])
    return "30 objects, deleted with one DeleteObjects"


@check("copies, moves and odd names")
def names():
    body = content(3000)
    for path in ["a b+c&d=e;f.txt", "ü/😀/ñ", "per%20cent", "(quoted) 'x' !*@$"]:
        obstore.put(store, path, body)
        obstore.copy(store, path, f"copy/{path}")
        obstore.rename(store, path, f"moved/{path}")
        equal((get(f"copy/{path}"), get(f"moved/{path}")), (body, body))
        raises(FileNotFoundError, obstore.head, store, path)
        obstore.delete(store, [f"copy/{path}", f"moved/{path}"])


@check("signed URLs")
def signed():
    body = content(1234)
    context = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))
    url = {method: obstore.sign(store, method, "signed", timedelta(minutes=5)) for method in ("PUT", "GET")}
    request = urllib.request.Request(url["PUT"], data=body, method="PUT")
    urllib.request.urlopen(request, context=context).read()
    equal(urllib.request.urlopen(url["GET"], context=context).read(), body)


@check("files that are read and written in pieces")
def files():
    body = content(11 * MIB)
    with obstore.open_writer(store, "file", buffer_size=5 * MIB) as file:
        for at in range(0, len(body), 777_777):
            file.write(body[at : at + 777_777])
    file = obstore.open_reader(store, "file", buffer_size=MIB)
    file.seek(5 * MIB - 3)
    equal(bytes(file.read(100)), body[5 * MIB - 3 : 5 * MIB + 97])
    file.seek(0)
    equal(bytes(file.read()), body)


main()
