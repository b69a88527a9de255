"""Processes that open pictures: they have little memory and no secrets, and may be killed at any time.

What lives here: who starts and asks one (`child`), and how one answers (`serving`). Whatever passes between the two is a
line of JSON for a line of JSON, so that a process which a picture took over can tell nothing but a lie about that picture.
"""
