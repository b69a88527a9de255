"""What one picture costs a worker: CPU and memory from the provider's answer to the object in storage.

Run it with `python -m tests.benchmarks.pipeline`. Three variants do the same work (fetch a 4 MB JSON answer
that comes after a second, decode it, digest it, put it on disk, PUT it to storage), a process each, in turns:
ours (what workers run), the floor (by hand, no library between us and the sockets) and the naive way.
"""
