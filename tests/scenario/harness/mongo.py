# SPDX-License-Identifier: Apache-2.0
"""Databases with many types of values, and their contents as values that can be compared."""
import datetime
import hashlib
import random

DATABASES = ("shop", "ledger", "media")
COLLECTIONS = ("accounts", "orders", "events", "types", "empty", "blobs")


def client(uri):
    import pymongo
    return pymongo.MongoClient(uri, serverSelectionTimeoutMS=20000)


def one_of_each(number):
    """A document with every type of value that the server keeps."""
    from bson import Binary, Int64, ObjectId, Regex, Timestamp
    return {
        "_id": number, "double": number / 7, "negative zero": -0.0, "large": 1.7e308, "text": "Grüße, 世界 \U0001f600 \"quoted\" \\ \n",
        "empty text": "", "object": {"a": {"b": {"c": [1, "two", None]}}}, "empty object": {}, "array": [1, 2.5, "x", {}, {"y": None}], "empty array": [],
        "binary": Binary(bytes(range(256)), 0), "uuid": Binary(bytes(range(16)), 4), "id": ObjectId(f"{number:024x}"), "yes": True, "no": False,
        "date": datetime.datetime(1969, 12, 31, 23, 59, 59, 123000), "null": None, "regex": Regex("^a.*b$", "i"),
        "int32": -(2**31), "timestamp": Timestamp(1_700_000_000, number), "int64": Int64(2**63 - 1), "ключ": "unicode key",
    }


def fill(uri, mebibytes, seed=1):
    """Three databases of six collections; `mebibytes` of random bytes, which no gzip makes smaller, spread over their blobs.
    No index beside that of _id: mongorestore names a namespace in its index options, which FerretDB refuses."""
    from bson import Binary, ObjectId
    rng = random.Random(seed)
    mongo = client(uri)
    for name in DATABASES:
        db = mongo[name]
        db.create_collection("empty")
        db.accounts.insert_many({"_id": ObjectId(rng.randbytes(12)), "email": f"user{i}@example.org", "balance": rng.random() * 1e6} for i in range(200))
        db.orders.insert_many({"_id": i, "who": rng.randrange(200), "lines": [{"sku": rng.randbytes(4).hex(), "n": j} for j in range(5)]} for i in range(300))
        db.events.insert_many({"at": datetime.datetime(2026, 1, 1) + datetime.timedelta(seconds=i), "level": i % 5, "text": "x" * (i % 97)} for i in range(400))
        db.types.insert_many(one_of_each(i) for i in range(20))
        left = mebibytes * 64 // len(DATABASES)  # documents of 16 KiB
        while left > 0:
            db.blobs.insert_many({"data": Binary(rng.randbytes(16384))} for _ in range(min(left, 128)))
            left -= 128
    mongo.close()


def snapshot(uri):
    """{database.collection: indexes, and the SHA-256 of every document's BSON by _id}."""
    from bson import BSON
    from bson.codec_options import CodecOptions
    from bson.raw_bson import RawBSONDocument
    raw, found = CodecOptions(document_class=RawBSONDocument), {}
    mongo = client(uri)
    for name in sorted(set(mongo.list_database_names()) - {"admin", "local", "config"}):
        for collection in sorted(mongo[name].list_collection_names()):
            documents = {}
            for document in mongo[name].get_collection(collection, codec_options=raw).find({}):
                identity = BSON.encode({"_id": document["_id"]}).hex()
                documents[identity] = hashlib.sha256(document.raw).hexdigest()
            indexes = sorted((i["name"], tuple(i["key"].items()), i.get("unique", False)) for i in mongo[name][collection].list_indexes())
            found[f"{name}.{collection}"] = {"indexes": indexes, "documents": documents}
    mongo.close()
    return found
