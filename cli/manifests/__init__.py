"""A manifest on this disk: its text, where things stand in it, and the files that go with it to the service.

Must not live here: what a manifest means (the service says that).
"""
