"""Checks of boto3 against a running endpoint; how it is called is said in checks.py."""

import base64
import hashlib
import io
import os
import tempfile
import urllib.error
import urllib.request
import zlib

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from checks import BUCKET, ENDPOINT, MARKER, MIB, SCALE, STORE, LeftOut, check, content, equal, main, md5

s3 = boto3.client(
    "s3",
    endpoint_url=ENDPOINT,
    region_name="us-east-1",
    config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
)


def refused(status, code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        equal((error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]), (status, code))
        return
    raise AssertionError(f"accepted; {status} {code} was due")


def knows(operation, member):
    if member not in s3.meta.service_model.operation_model(operation).input_shape.members:
        raise LeftOut(f"this version has no {member} for {operation}")


def put(key, body, **more):
    return s3.put_object(Bucket=BUCKET, Key=key, Body=body, **more)


def get(key, **more):
    reply = s3.get_object(Bucket=BUCKET, Key=key, **more)
    reply["Content"] = reply["Body"].read()
    return reply


@check("put, get, head and delete; sizes around every edge")
def sizes():
    edges = [0, 1, 65535, 65536, 65537, MIB - 1, MIB, MIB + 1, 3 * MIB + 5]
    for size in edges:
        body = content(size)
        equal(put("edge", body)["ETag"], f'"{md5(body)}"')
        head = s3.head_object(Bucket=BUCKET, Key="edge")
        equal((head["ContentLength"], head["ETag"]), (size, f'"{md5(body)}"'))
        equal(get("edge")["Content"], body)
    s3.delete_object(Bucket=BUCKET, Key="edge")
    refused(404, "NoSuchKey", s3.get_object, Bucket=BUCKET, Key="edge")
    refused(404, "404", s3.head_object, Bucket=BUCKET, Key="edge")
    return f"{len(edges)} sizes"


@check("content headers and metadata")
def headers():
    sent = {
        "ContentType": "text/plain; charset=utf-8",
        "CacheControl": "no-store",
        "ContentDisposition": 'inline; filename="x.txt"',
        "ContentEncoding": "identity",
        "ContentLanguage": "fr",
        "Metadata": {"a": MARKER.decode(), "long": "x" * 900},
    }
    put("headers", content(10), **sent)
    for reply in (s3.head_object(Bucket=BUCKET, Key="headers"), get("headers")):
        equal({name: reply.get(name) for name in sent}, sent)
    reply = get("headers", ResponseContentType="image/png", ResponseCacheControl="max-age=1")
    equal((reply["ContentType"], reply["CacheControl"]), ("image/png", "max-age=1"))


def round_trips(prefix, names):
    for name in names:
        body = content(100)
        put(prefix + name, body)
        equal(get(prefix + name)["Content"], body)
    rows = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]
    equal(sorted(row["Key"] for row in rows), sorted(prefix + name for name in names))
    return f"{len(names)} names"


@check("awkward names")
def awkward_names():
    return round_trips("names/", ["a b+c%20d", "ü/日本/😀", "q?x=1&y#z", "end/", "%2e%2e/%2F", "<&>\"'", "\u00a0", "k" * 200])


@check("names with empty and dot segments; a name of 1,024 bytes")
def ambiguous_names():
    if STORE == "MinIO":
        raise LeftOut("MinIO keeps objects as files and refuses such names itself")
    return round_trips("dots/", ["dot/./dot/../dot", "//two", "a//b", "..", ".", "k" * 1019])


@check("list, page by page; delimiter; sizes and ETags as HEAD tells them")
def listing():
    bodies = {f"list/{index % 3}/{index:02}": content(index * 4000) for index in range(25)}
    for key, body in bodies.items():
        put(key, body)
    for version, token in (("list_objects_v2", "NextContinuationToken"), ("list_objects", "Marker")):
        pages = list(s3.get_paginator(version).paginate(Bucket=BUCKET, Prefix="list/", PaginationConfig={"PageSize": 7}))
        equal(len(pages), 4)
        rows = {row["Key"]: (row["Size"], row["ETag"]) for page in pages for row in page["Contents"]}
        equal(rows, {key: (len(body), f'"{md5(body)}"') for key, body in bodies.items()})
        grouped = getattr(s3, version)(Bucket=BUCKET, Prefix="list/", Delimiter="/")
        equal([row["Prefix"] for row in grouped["CommonPrefixes"]], ["list/0/", "list/1/", "list/2/"])


@check("delete_objects")
def deletes():
    keys = [f"list/{index % 3}/{index:02}" for index in range(25)] + ["list/never was"]
    reply = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in keys]})
    equal(sorted(row["Key"] for row in reply["Deleted"]), sorted(keys))
    equal(s3.list_objects_v2(Bucket=BUCKET, Prefix="list/")["KeyCount"], 0)


@check("ranges")
def ranges():
    body = content(2 * MIB + 77)
    put("ranges", body)
    size = len(body)
    cases = [(0, 0), (65535, 65536), (MIB - 1, MIB + 1), (size - 1, size - 1), (0, size - 1), (123456, 1999999)]
    for first, last in cases:
        reply = get("ranges", Range=f"bytes={first}-{last}")
        equal(reply["ContentRange"], f"bytes {first}-{last}/{size}")
        equal(reply["Content"], body[first : last + 1])
    equal(get("ranges", Range="bytes=-9")["Content"], body[-9:])
    equal(get("ranges", Range=f"bytes={size - 3}-")["Content"], body[-3:])
    equal(get("ranges", Range=f"bytes=5-{size * 2}")["Content"], body[5:])
    refused(416, "InvalidRange", s3.get_object, Bucket=BUCKET, Key="ranges", Range=f"bytes={size}-")
    return f"{len(cases) + 4} ranges"


@check("conditions on reads")
def read_conditions():
    tag = put("conditions", content(20))["ETag"]
    get("conditions", IfMatch=tag)
    refused(304, "304", s3.get_object, Bucket=BUCKET, Key="conditions", IfNoneMatch=tag)
    refused(412, "PreconditionFailed", s3.get_object, Bucket=BUCKET, Key="conditions", IfMatch='"0"')


@check("conditions on writes")
def write_conditions():
    knows("PutObject", "IfNoneMatch")
    first = content(20)
    put("lock", first, IfNoneMatch="*")
    refused(412, "PreconditionFailed", s3.put_object, Bucket=BUCKET, Key="lock", Body=b"second", IfNoneMatch="*")
    equal(get("lock")["Content"], first)
    knows("PutObject", "IfMatch")
    tag = put("lock", content(30), IfMatch=f'"{md5(first)}"')["ETag"]
    refused(412, "PreconditionFailed", s3.put_object, Bucket=BUCKET, Key="lock", Body=b"late", IfMatch=f'"{md5(first)}"')
    equal(s3.head_object(Bucket=BUCKET, Key="lock")["ETag"], tag)


@check("checksums: CRC32, SHA1, SHA256")
def checksums():
    body = content(200_000)
    wanted = {
        "CRC32": zlib.crc32(body).to_bytes(4, "big"),
        "SHA1": hashlib.sha1(body).digest(),
        "SHA256": hashlib.sha256(body).digest(),
    }
    for name, digest in wanted.items():
        text = base64.b64encode(digest).decode()
        equal(put("checked", body, ChecksumAlgorithm=name)[f"Checksum{name}"], text)
        equal(s3.head_object(Bucket=BUCKET, Key="checked", ChecksumMode="ENABLED")[f"Checksum{name}"], text)
        equal(get("checked", ChecksumMode="ENABLED")["Content"], body)
    wrong = base64.b64encode(bytes(32)).decode()
    refused(400, "BadDigest", s3.put_object, Bucket=BUCKET, Key="wrong", Body=body, ChecksumSHA256=wrong)
    refused(400, "BadDigest", s3.put_object, Bucket=BUCKET, Key="wrong", Body=body, ContentMD5=base64.b64encode(bytes(16)).decode())
    refused(404, "404", s3.head_object, Bucket=BUCKET, Key="wrong")


@check("checksums: CRC32C, CRC64NVME (needs awscrt)")
def crt_checksums():
    try:
        from awscrt import checksums as crt
    except ImportError:
        raise LeftOut("awscrt is not installed") from None
    if not hasattr(crt, "crc64nvme"):
        raise LeftOut("this version of awscrt has no CRC64NVME")
    body = content(200_000)
    for name, digest in (("CRC32C", crt.crc32c(body).to_bytes(4, "big")), ("CRC64NVME", crt.crc64nvme(body).to_bytes(8, "big"))):
        text = base64.b64encode(digest).decode()
        equal(put("checked", body, ChecksumAlgorithm=name)[f"Checksum{name}"], text)
        equal(get("checked", ChecksumMode="ENABLED")[f"Checksum{name}"], text)


@check("checksums: SHA512, MD5, XXHASH64, XXHASH3, XXHASH128")
def newer_checksums():
    knows("PutObject", "ChecksumXXHASH128")
    body = b"123456789"
    wanted = {
        "SHA512": hashlib.sha512(body).digest(),
        "MD5": hashlib.md5(body).digest(),
        # As xxhsum prints them.
        "XXHASH64": bytes.fromhex("8cb841db40e6ae83"),
        "XXHASH3": bytes.fromhex("72dcb18b67a17dff"),
        "XXHASH128": bytes.fromhex("33119477ede5dcd5e9716427681d5860"),
    }
    for name, digest in wanted.items():
        member, text = f"Checksum{name}", base64.b64encode(digest).decode()
        equal(put("newer", body, **{member: text})[member], text)
        equal(s3.head_object(Bucket=BUCKET, Key="newer", ChecksumMode="ENABLED")[member], text)
        wrong = base64.b64encode(bytes(len(digest))).decode()
        refused(400, "BadDigest", s3.put_object, Bucket=BUCKET, Key="wrong", Body=body, **{member: wrong})
        upload = s3.create_multipart_upload(Bucket=BUCKET, Key="newer parts", ChecksumAlgorithm=name)["UploadId"]
        at = {"Bucket": BUCKET, "Key": "newer parts", "UploadId": upload}
        part = s3.upload_part(**at, PartNumber=1, Body=body, **{member: text})
        equal(part[member], text)
        parts = [{"PartNumber": 1, "ETag": part["ETag"], member: text}]
        done = s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts})
        equal(done["ChecksumType"], "COMPOSITE")
        equal(done[member][-2:], "-1")
        equal(s3.head_object(Bucket=BUCKET, Key="newer parts", ChecksumMode="ENABLED")[member], done[member])
    body = content(200_000)
    text = base64.b64encode(hashlib.sha512(body).digest()).decode()
    equal(put("newer", body, ChecksumAlgorithm="SHA512")["ChecksumSHA512"], text)
    equal(get("newer", ChecksumMode="ENABLED")["Content"], body)


@check("Content-MD5 sent by the caller")
def content_md5():
    body = content(5000)
    put("md5", body, ContentMD5=base64.b64encode(hashlib.md5(body).digest()).decode())
    equal(get("md5")["Content"], body)


@check("streaming bodies, up and down")
def streams():
    body = content(SCALE * MIB + 11)
    with tempfile.TemporaryFile() as file:
        file.write(body)
        file.seek(0)
        put("streamed", file)
    hasher = hashlib.sha256()
    for piece in s3.get_object(Bucket=BUCKET, Key="streamed")["Body"].iter_chunks(100_000):
        hasher.update(piece)
    equal(hasher.hexdigest(), hashlib.sha256(body).hexdigest())
    return f"{SCALE} MiB"


@check("upload_fileobj and download_fileobj, in parallel parts")
def transfers():
    body = content(SCALE * MIB + 999)
    part = 6 * MIB
    config = TransferConfig(multipart_threshold=part, multipart_chunksize=part, max_concurrency=4)
    extra = {"Metadata": {"m": MARKER.decode()}, "ContentType": "application/x-thing"}
    s3.upload_fileobj(io.BytesIO(body), BUCKET, "transfer", Config=config, ExtraArgs=extra)
    head = s3.head_object(Bucket=BUCKET, Key="transfer")
    parts = [body[at : at + part] for at in range(0, len(body), part)]
    tag = md5(b"".join(hashlib.md5(piece).digest() for piece in parts))
    equal((head["ContentLength"], head["ETag"]), (len(body), f'"{tag}-{len(parts)}"'))
    equal((head["Metadata"], head["ContentType"]), (extra["Metadata"], extra["ContentType"]))
    received = io.BytesIO()
    s3.download_fileobj(BUCKET, "transfer", received, Config=config)
    equal(hashlib.sha256(received.getvalue()).hexdigest(), hashlib.sha256(body).hexdigest())
    return f"{len(parts)} parts"


@check("multipart by hand: list_parts, a part again, partNumber, abort")
def multipart():
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
    address = {"Bucket": BUCKET, "Key": "parts", "UploadId": upload}
    bodies = [content(5 * MIB), content(5 * MIB + 1), content(17)]
    s3.upload_part(**address, PartNumber=2, Body=content(5 * MIB))
    tags = [s3.upload_part(**address, PartNumber=index + 1, Body=body)["ETag"] for index, body in enumerate(bodies)]
    equal(tags, [f'"{md5(body)}"' for body in bodies])
    listed = s3.list_parts(**address)["Parts"]
    equal([(row["PartNumber"], row["Size"], row["ETag"]) for row in listed], [(i + 1, len(b), tags[i]) for i, b in enumerate(bodies)])
    equal([row["UploadId"] for row in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])], [upload])
    parts = [{"PartNumber": index + 1, "ETag": tag} for index, tag in enumerate(tags)]
    refused(400, "InvalidPart", s3.complete_multipart_upload, **address, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tags[1]}]})
    done = s3.complete_multipart_upload(**address, MultipartUpload={"Parts": parts})
    equal(done["ETag"], f'"{md5(b"".join(hashlib.md5(body).digest() for body in bodies))}-3"')
    equal(get("parts")["Content"], b"".join(bodies))
    second = get("parts", PartNumber=2)
    equal((second["Content"], second["PartsCount"]), (bodies[1], 3))
    aborted = s3.create_multipart_upload(Bucket=BUCKET, Key="aborted")["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key="aborted", UploadId=aborted, PartNumber=1, Body=content(MIB))
    s3.abort_multipart_upload(Bucket=BUCKET, Key="aborted", UploadId=aborted)
    refused(404, "NoSuchUpload", s3.list_parts, Bucket=BUCKET, Key="aborted", UploadId=aborted)
    equal(s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []), [])


@check("copy_object, copy with replaced metadata, upload_part_copy")
def copies():
    body = content(300_000)
    put("copy/source", body, Metadata={"old": MARKER.decode()}, ContentType="text/a")
    source = {"Bucket": BUCKET, "Key": "copy/source"}
    equal(s3.copy_object(Bucket=BUCKET, Key="copy/kept ü+", CopySource=source)["CopyObjectResult"]["ETag"], f'"{md5(body)}"')
    kept = get("copy/kept ü+")
    equal((kept["Content"], kept["Metadata"], kept["ContentType"]), (body, {"old": MARKER.decode()}, "text/a"))
    s3.copy_object(**source, CopySource=source, MetadataDirective="REPLACE", Metadata={"new": "1"}, ContentType="text/b")
    replaced = get("copy/source")
    equal((replaced["Content"], replaced["Metadata"], replaced["ContentType"]), (body, {"new": "1"}, "text/b"))
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="copy/parts")["UploadId"]
    copied = s3.upload_part_copy(
        Bucket=BUCKET, Key="copy/parts", UploadId=upload, PartNumber=1, CopySource=source, CopySourceRange="bytes=1000-200999"
    )
    parts = [{"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}]
    s3.complete_multipart_upload(Bucket=BUCKET, Key="copy/parts", UploadId=upload, MultipartUpload={"Parts": parts})
    equal(get("copy/parts")["Content"], body[1000:201000])


@check("presigned URLs")
def presigned():
    body = content(40_000)
    put_url = s3.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "shared"}, ExpiresIn=60)
    get_url = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "shared"}, ExpiresIn=60)
    context = None
    if ENDPOINT.startswith("https"):
        import ssl

        context = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
    urllib.request.urlopen(urllib.request.Request(put_url, data=body, method="PUT"), context=context).close()
    with urllib.request.urlopen(get_url, context=context) as reply:
        equal(reply.read(), body)
    try:
        urllib.request.urlopen(get_url.replace("/shared?", "/headers?"), context=context)
    except urllib.error.HTTPError as error:
        equal(error.code, 403)
    else:
        raise AssertionError("a URL for one object opened another")


@check("tags")
def tags():
    put("tagged", content(20), Tagging="a=1&b=two+words")
    wanted = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "two words"}]
    read = lambda: sorted(s3.get_object_tagging(Bucket=BUCKET, Key="tagged")["TagSet"], key=lambda tag: tag["Key"])
    equal(read(), wanted)
    s3.put_object_tagging(Bucket=BUCKET, Key="tagged", Tagging={"TagSet": wanted[:1]})
    equal(read(), wanted[:1])
    s3.delete_object_tagging(Bucket=BUCKET, Key="tagged")
    equal(read(), [])


@check("get_object_attributes")
def attributes():
    wanted = ["ETag", "ObjectSize", "ObjectParts"]
    knows("GetObjectAttributes", "ObjectAttributes")
    reply = s3.get_object_attributes(Bucket=BUCKET, Key="parts", ObjectAttributes=wanted)
    equal((reply["ObjectSize"], reply["ObjectParts"]["TotalPartsCount"]), (10 * MIB + 18, 3))
    equal(f'"{reply["ETag"]}"', s3.head_object(Bucket=BUCKET, Key="parts")["ETag"])


@check("versions")
def versions():
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    equal(s3.get_bucket_versioning(Bucket=BUCKET)["Status"], "Enabled")
    bodies = [content(100), content(MIB + 100)]
    ids = [put("versioned", body)["VersionId"] for body in bodies]
    for version, body in zip(ids, bodies):
        equal(get("versioned", VersionId=version)["Content"], body)
    marker = s3.delete_object(Bucket=BUCKET, Key="versioned")
    equal(marker["DeleteMarker"], True)
    refused(404, "NoSuchKey", s3.get_object, Bucket=BUCKET, Key="versioned")
    listed = s3.list_object_versions(Bucket=BUCKET, Prefix="versioned")
    sizes = {row["VersionId"]: (row["Size"], row["ETag"]) for row in listed["Versions"]}
    equal(sizes, {version: (len(body), f'"{md5(body)}"') for version, body in zip(ids, bodies)})
    s3.delete_object(Bucket=BUCKET, Key="versioned", VersionId=marker["VersionId"])
    equal(get("versioned")["Content"], bodies[1])
    s3.delete_object(Bucket=BUCKET, Key="versioned", VersionId=ids[1])
    equal(get("versioned")["Content"], bodies[0])


main()
