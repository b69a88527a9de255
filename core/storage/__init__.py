"""The one door to object storage.

Here live the contract of a store (`store`), the rules for keys and metadata that hold for every store
(`rules`), the stores themselves (`folder`, `s3`) and the choice between them (`opening`).

Not here: what a key means (whoever stores names the keys) and the retries of a paid picture (the spool keeps
it and tries again). Nobody else imports boto3. Every foreign error is translated at this door, so whoever
holds an `ObjectStore` meets only the errors of `schemas.errors`.
"""
