"""Words and arithmetic of Darkroom: what a manifest, a task, a price or a verdict is.

Lives here: pydantic models, enums, tables and pure functions over them, and dated data files (`data/*.toml`).
Must not live here: I/O (the packaged data files aside), clocks, chance, settings, or anything of one process.
Nothing here imports another package of the project.
"""
