"""`python make_bucket.py ADDRESS NAME`: makes a bucket on an S3 server, where it is not there yet."""

import sys

import boto3
from botocore.exceptions import ClientError

address, name = sys.argv[1:]
client = boto3.client("s3", endpoint_url=address)
try:
    client.head_bucket(Bucket=name)
except ClientError as error:
    if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
        raise
    client.create_bucket(Bucket=name)
