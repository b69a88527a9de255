"""Planning: a manifest and its catalog are read, checked and priced before anything is spent.

Must not live here: calls to an Images API, changes of task state.
"""
