"""What clients may rely on: the shapes of answers, the cursors of lists, and the OpenAPI document.

Must not live here: anything that reads or decides.
"""
