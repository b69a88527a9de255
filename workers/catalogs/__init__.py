"""Catalog files of many dialects, read as a stream into canonical rows.

What lives here: finding out what a file is (`sniff`), reading it record by record (`tables`, `objects`), giving its
columns their canonical names (`columns`, one module per shop dialect in `dialects`), and keys (`keys`). `reading` is the
front door. Everything is synchronous and reads local files only; memory is bounded by one record and by digests of keys,
never by the file.

What must not live here: fetching and storing catalogs, Liquid conditions, plans, exports.
"""
