"""Bringing batches back that Redis has lost: what storage knows of them, the way back, and the command that does it.

Not here: what is written to storage for that day (`workers/recorder.py`, `workers/planning`).
"""
