"""The one door to the provider's usage report: how many pictures it counted, and what that says of a doubt.

What lives here: the address and the pages of the report, and the comparison of its counts with ours. What leaves it is
a number of pictures, and yes, no or unknown.

Laws of this package:
- It asks with the account's admin key, which can spend nothing, and never with the key that makes pictures.
- It answers yes or no only where the counts allow nothing else. Everything else is unknown.

What must not live here: what follows for a task, Redis, storage.
"""
