"""Text into plain data (dict, list, str, int, float, bool, None), for YAML and for JSON, with the same strictness.

Every way in which the two differ in accepting is a trap for producers, so both refuse duplicate keys, numbers that are
none, and deep nesting. Must not live here: what a manifest means.
"""
