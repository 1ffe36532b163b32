"""Makes the Parquet files of this folder, by writers other than parquet-go.

    pip install pyarrow==26.0.1 duckdb==2.0.0
    python3 make.py

The rows are those of rows.json (one object of the Passive DNS Common Output
Format a line), which this script makes too. Addresses and names are reserved
ones (RFC 5737, 3849, 2606). Each file's name says how it was written.
"""

import json
import random

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

rng = random.Random(7)
rows = []
for i in range(200):
    kind = rng.choice(["A", "A", "A", "AAAA", "CNAME", "NS", "TXT"])
    site = rng.randrange(40)
    name = f"host{rng.randrange(3)}.site{site}.example"
    if rng.random() < 0.2:
        name = name.upper() + "."
    data = {
        "A": f"192.0.2.{rng.randrange(60)}",
        "AAAA": f"2001:db8::{rng.randrange(40):x}",
        "CNAME": f"edge{rng.randrange(9)}.cdn.example",
        "NS": "ns.example",
        "TXT": "v=spf1 -all",
    }[kind]
    if kind in ("A", "AAAA") and rng.random() < 0.5:
        name = f"edge{rng.randrange(9)}.cdn.example"
    first = 1600000000 + rng.randrange(10_000_000)
    row = dict(rrname=name, rrtype=kind, rdata=data, time_first=first,
               time_last=first + rng.randrange(100_000), count=rng.randrange(1, 50))
    rows.append(row)
    for more in range(rng.choice([0, 0, 1, 3]) if kind == "A" else 0):
        rows.append(row | {"rdata": f"198.51.100.{rng.randrange(60)}"})
with open("rows.json", "w") as f:
    for row in rows:
        f.write(json.dumps(row) + "\n")

TYPES = {"A": 1, "AAAA": 28, "CNAME": 5, "NS": 2, "TXT": 16}
col = {k: [r[k] for r in rows] for k in rows[0]}
plain = pa.table(
    {
        "rrname": col["rrname"], "rrtype": col["rrtype"], "rdata": col["rdata"],
        "time_first": pa.array(col["time_first"], pa.int64()),
        "time_last": pa.array(col["time_last"], pa.int64()),
        "count": pa.array(col["count"], pa.int64()),
    }
)


def replaced(table, **columns):
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, values)
    return table


def stamps(unit, factor):
    return {
        name: pa.array([v * factor for v in col[name]], pa.timestamp(unit, tz="UTC"))
        for name in ("time_first", "time_last")
    }


pq.write_table(plain, "pyarrow-snappy.parquet")
for codec in ("none", "gzip", "zstd", "lz4", "brotli"):
    pq.write_table(plain, f"pyarrow-{codec}.parquet", compression=codec, row_group_size=150, data_page_size=1024)
pq.write_table(plain, "pyarrow-v2-small-pages.parquet", data_page_version="2.0", data_page_size=512, write_page_index=True)
pq.write_table(plain, "pyarrow-dictionary-overflow.parquet", dictionary_pagesize_limit=600, data_page_size=300, write_batch_size=16)
pq.write_table(plain, "pyarrow-checksums.parquet", write_page_checksum=True, compression="zstd")
text_encodings = {"rrname": "DELTA_BYTE_ARRAY", "rrtype": "DELTA_LENGTH_BYTE_ARRAY", "rdata": "DELTA_LENGTH_BYTE_ARRAY"}
int_encodings = {name: "DELTA_BINARY_PACKED" for name in ("time_first", "time_last", "count")}
pq.write_table(plain, "pyarrow-delta.parquet", use_dictionary=False, column_encoding=text_encodings | int_encodings)
pq.write_table(plain, "pyarrow-split.parquet", use_dictionary=False,
               column_encoding={name: "BYTE_STREAM_SPLIT" for name in int_encodings})

# Times: what Spark writes by default (INT96), and the logical types.
pq.write_table(replaced(plain, **stamps("us", 1_000_000)), "spark-int96.parquet",
               use_deprecated_int96_timestamps=True, version="1.0", flavor="spark")
pq.write_table(replaced(plain, **stamps("ms", 1000)), "pyarrow-ms.parquet")
pq.write_table(replaced(plain, **stamps("us", 1_000_000)), "pyarrow-us.parquet")
pq.write_table(replaced(plain, **stamps("ns", 1_000_000_000)), "pyarrow-ns.parquet")
pq.write_table(
    replaced(plain, time_first=pa.array(col["time_first"], pa.int32()),
             time_last=pa.array(col["time_last"], pa.float64()),
             count=pa.array(col["count"], pa.uint32()),
             rrtype=pa.array([TYPES[t] for t in col["rrtype"]], pa.int32())),
    "pyarrow-numbers.parquet")

# Texts that say nothing of being text, and required columns.
binary = replaced(plain, **{
    name: pa.array([v.encode() for v in col[name]], pa.binary()) for name in ("rrname", "rrtype", "rdata")})
required = pa.schema([pa.field(f.name, f.type, nullable=False) for f in binary.schema])
pq.write_table(binary.cast(required), "pyarrow-binary-required.parquet")

# Lists of data: one row for rows alike in all else, three levels and two.
lists = {}
for r in rows:
    key = (r["rrname"], r["rrtype"], r["time_first"], r["time_last"], r["count"])
    lists.setdefault(key, []).append(r["rdata"])
listed = pa.table(
    {
        "rrname": [k[0] for k in lists], "rrtype": [k[1] for k in lists],
        "rdata": pa.array(list(lists.values()), pa.list_(pa.string())),
        "time_first": pa.array([k[2] for k in lists], pa.int64()),
        "time_last": pa.array([k[3] for k in lists], pa.int64()),
        "count": pa.array([k[4] for k in lists], pa.int64()),
    }
)
pq.write_table(listed, "pyarrow-list.parquet", data_page_size=256, write_batch_size=8)
pq.write_table(listed, "pyarrow-list-v2.parquet", data_page_size=256, data_page_version="2.0", use_compliant_nested_type=False)

db = duckdb.connect()
db.register("plain", plain)
db.register("listed", listed)
db.execute("COPY plain TO 'duckdb.parquet' (FORMAT parquet)")
db.execute("COPY plain TO 'duckdb-v2-zstd.parquet' (FORMAT parquet, PARQUET_VERSION 'V2', COMPRESSION zstd)")
db.execute("COPY listed TO 'duckdb-list.parquet' (FORMAT parquet)")
db.execute("""
    COPY (SELECT rrname AS name, rrtype::ENUM('A','AAAA','CNAME','NS','TXT') AS type, rdata AS answer,
                 to_timestamp(time_first) AS first_seen, to_timestamp(time_last) AS last_seen,
                 count::UINTEGER AS hits FROM plain)
    TO 'duckdb-other-names.parquet' (FORMAT parquet, COMPRESSION lz4_raw)
""")
