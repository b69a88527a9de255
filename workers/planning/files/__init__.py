"""Files that a manifest names: found before anything is spent, folders opened, masks looked into.

Must not live here: fetching for a call, which is the workers' own.
"""
