"""Endpoints, one module per resource: parse, call one use case, show the result.

`incoming` holds what several of them read from a request. Must not live here: decisions, and state.
"""
