"""Admission rules: what an answer teaches a lane. The counters live in `core.state`.

Must not live here: calls to Redis or to an Images API.
"""
