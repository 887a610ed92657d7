# SPDX-License-Identifier: Apache-2.0
"""What lies behind the mount: the store's objects, seen and changed without the program."""
import os
from pathlib import Path

from . import services
from .failure import expect

HEADER, CHUNK, TRAILER = 512, 65536 + 28, 256  # docs/format.md: bytes of the header, of a full chunk, of the trailer


def objects(fx):
    """The objects of a scenario's store."""
    return FolderObjects(fx.work / "store") if fx.store == "dir" else BucketObjects(fx.minio.url)


RESERVED, MARKER = ".pishop=", ".pishop=folder"  # file names of the dir store that are not keys; the file of a folder's marker


class Base:
    def find(self, ending):
        """The only key that ends so."""
        found = [key for key in self.keys() if key.endswith(ending)]
        expect(len(found) == 1, f"one object whose key ends in {ending!r} was expected, there are {found}")
        return found[0]


class FolderObjects(Base):
    """The dir store: one file an object, its path the key."""

    def __init__(self, folder: Path):
        self.folder = folder

    def keys(self):
        found = [os.path.relpath(os.path.join(parent, name), self.folder) for parent, _, names in os.walk(self.folder) for name in names]
        return sorted(key.removesuffix(MARKER) for key in found if key.endswith("/" + MARKER) or RESERVED not in key)

    def path(self, key):
        return self.folder / (key + MARKER if key.endswith("/") else key)

    def get(self, key):
        return self.path(key).read_bytes()

    def put(self, key, data):
        self.path(key).write_bytes(data)

    def remove(self, key):
        self.path(key).unlink()


class BucketObjects(Base):
    """An S3 bucket, through boto3."""

    def __init__(self, url, bucket="backup"):
        import boto3
        from botocore.config import Config
        self.bucket = bucket
        self.s3 = boto3.client("s3", endpoint_url=url, aws_access_key_id=services.ACCESS_KEY, aws_secret_access_key=services.SECRET_KEY,
                               region_name="us-east-1", config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}))

    def keys(self):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def get(self, key):
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def put(self, key, data):
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=data)

    def remove(self, key):
        self.s3.delete_object(Bucket=self.bucket, Key=key)

    def uploads(self):
        """Keys of multipart uploads that are begun and neither completed nor aborted. MinIO lists them only by whole key."""
        found = self.s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        return [upload["Key"] for upload in found]

    def uploads_of(self, key):
        return self.s3.list_multipart_uploads(Bucket=self.bucket, Prefix=key).get("Uploads", [])

    def keep_versions(self):
        """Every object that is replaced or removed stays as a version from now on."""
        self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})

    def versions(self, prefix):
        """All versions of all keys that begin so, without those that only mark a removal."""
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix)
        return [version for page in pages for version in page.get("Versions", [])]

    def get_version(self, version):
        return self.s3.get_object(Bucket=self.bucket, Key=version["Key"], VersionId=version["VersionId"])["Body"].read()
