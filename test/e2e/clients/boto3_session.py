"""What boto3 does with the credentials that it finds by itself: BUCKET KEY OTHER-KEY. Prints one JSON line.

Endpoint, region and credentials come from the environment and the configuration file alone. With PROBE_FEDERATE, a policy, it
gets credentials narrowed by that policy instead, and prints them.
"""

import json
import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET, KEY, OTHER = sys.argv[1:4]
BODY = b"written in a session"
session = boto3.Session()
s3 = session.client("s3", config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}))
sts = session.client("sts")


def code(call, **arguments):
    try:
        reply = call(Bucket=BUCKET, **arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    if "Body" in reply and reply["Body"].read() != BODY:
        return "other bytes"
    return "ok"


if "PROBE_FEDERATE" in os.environ:
    given = sts.get_federation_token(Name="probe", Policy=os.environ["PROBE_FEDERATE"])["Credentials"]
    report = {
        "accessKeyId": given["AccessKeyId"],
        "secretAccessKey": given["SecretAccessKey"],
        "sessionToken": given["SessionToken"],
    }
else:
    report = {
        "arn": sts.get_caller_identity()["Arn"],
        "put": code(s3.put_object, Key=KEY, Body=BODY),
        "get": code(s3.get_object, Key=KEY),
        "other": code(s3.put_object, Key=OTHER, Body=BODY),
    }
print(json.dumps(report))
