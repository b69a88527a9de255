"""Equipment that the service and the workers both hold: settings, clock, state, queue, storage, telemetry, parsing.

Each foreign system has its one door here: Redis `core.state`, S3 `core.storage`, arq `core.queue`, Prometheus
`core.telemetry`, the environment `core.settings`. A door translates foreign errors into ours.
Must not live here: anything that only one process uses, HTTP routes, calls to an Images API.
"""
