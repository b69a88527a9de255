"""The `darkroom` command: talks to a service over HTTP, and starts the processes of one machine.

Lives here: commands, their output and progress, the HTTP client, `up` and what it starts. Standard output is data,
standard error is talk. A module is imported when its command runs, so that `--help` stays quick.
Must not live here: rules about manifests, prices or tasks (the service answers those), and imports of `core`,
`service`, `workers` or `simulator`: they are other processes.
"""
