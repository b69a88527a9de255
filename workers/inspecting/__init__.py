"""Looking into pictures of strangers: decoded in a child process with little memory, which is killed when it is slow.

What lives here: the process that decodes (`child`), the one that writes upright copies of what is not sent as it is
(`copier`), how both open a file (`opening`), and who asks them (`inspector`). They open and write the files whose paths
they are told, the first writes none, and import nothing of ours but how to serve, words, and how colors become sRGB.
"""
