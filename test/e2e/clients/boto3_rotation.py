"""A tenant rotates its own key with boto3: ENDPOINT BUCKET. Credentials from the environment. Prints one JSON line.

Every step that must fail is checked for the exception class that boto3 makes of IAM's error documents.
"""

import json
import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT, BUCKET = sys.argv[1:3]
S3 = Config(retries={"max_attempts": 0}, signature_version="s3v4", s3={"addressing_style": "path"})


class Holder:
    """Clients of one key."""

    def __init__(self, key, secret):
        own = {"endpoint_url": ENDPOINT, "aws_access_key_id": key, "aws_secret_access_key": secret}
        self.key = key
        self.iam = boto3.client("iam", region_name="eu-central-1", **own)
        self.sts = boto3.client("sts", region_name="us-east-1", **own)
        self.s3 = boto3.client("s3", region_name="us-east-1", config=S3, **own)


def refused(exception, call, **arguments):
    try:
        call(**arguments)
    except exception:
        return
    raise AssertionError(f"{call} was not refused")


old = Holder(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
user = old.sts.get_caller_identity()
assert old.iam.get_user()["User"]["Arn"] == user["Arn"], user
assert old.iam.get_user(UserName=user["UserId"])["User"]["UserName"] == user["UserId"]
old.s3.put_object(Bucket=BUCKET, Key="boto3-rotation", Body=b"before")

# Two creations in one second carry one signature: the SDK signs anew and tries again.
made = [old.iam.create_access_key()["AccessKey"] for _ in range(2)]
assert made[0]["AccessKeyId"] != made[1]["AccessKeyId"]
assert made[0]["Status"] == "Active" and made[0]["UserName"] == user["UserId"]
new = Holder(made[0]["AccessKeyId"], made[0]["SecretAccessKey"])
assert new.s3.get_object(Bucket=BUCKET, Key="boto3-rotation")["Body"].read() == b"before"

pages = new.iam.get_paginator("list_access_keys").paginate(PaginationConfig={"PageSize": 2})
listed = [key for page in pages for key in page["AccessKeyMetadata"]]
assert len(listed) == 3 and all(key["Status"] == "Active" for key in listed), listed

refused(new.iam.exceptions.NoSuchEntityException, new.iam.delete_access_key, AccessKeyId="AKIAIOSFODNN7EXAMPLE")
new.iam.update_access_key(AccessKeyId=old.key, Status="Inactive")
refused(ClientError, old.iam.list_access_keys)
new.iam.delete_access_key(AccessKeyId=old.key)
refused(new.iam.exceptions.NoSuchEntityException, new.iam.delete_access_key, AccessKeyId=old.key)
new.iam.delete_access_key(AccessKeyId=made[1]["AccessKeyId"])
refused(new.iam.exceptions.DeleteConflictException, new.iam.delete_access_key, AccessKeyId=new.key)
assert "LastUsedDate" not in new.iam.get_access_key_last_used(AccessKeyId=new.key)["AccessKeyLastUsed"]
assert new.s3.get_object(Bucket=BUCKET, Key="boto3-rotation")["Body"].read() == b"before"
print(json.dumps({"accessKeyId": new.key, "secretAccessKey": made[0]["SecretAccessKey"]}))
