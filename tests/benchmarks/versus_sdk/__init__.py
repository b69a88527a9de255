"""Darkroom beside what one writes without it: the same pictures, the same account, the same faults.

Run it with `python -m tests.benchmarks.versus_sdk`. `by_hand` is the rival: the provider's own client library, a
semaphore, retries, files in a folder; it is written as well as sixty lines allow, and shares no code with us. Both sides
are judged by the provider's ledger and by the files that are there at the end, never by what they say themselves.
"""
