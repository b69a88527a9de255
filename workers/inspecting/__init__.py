"""Looking into pictures of strangers: decoded in a child process with little memory, which is killed when it is slow.

What lives here: the process that decodes (`child`), and who asks it (`inspector`). The child opens files by the
paths it is told, writes nothing, and imports nothing of ours but how to serve, and words.
"""
