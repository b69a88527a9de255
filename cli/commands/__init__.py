"""What each command does, one module per noun; `cli.main` holds their names and options.

A function here takes plain values and returns an exit code. Must not live here: option parsing, HTTP, subprocesses.
"""
