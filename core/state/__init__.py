"""The one door to Redis: keys, scripts and the stores built on them.

Lives here: every key name, every Lua script, and stores that speak in the records of `schemas`.
Must not live here: decisions. A store asks a script, a script checks and changes state in one step, by Redis TIME
alone. Scripts name their keys themselves, so the state lives on one primary (no Redis Cluster).
"""
