"""The HTTP process: it accepts, prices, shows, steers and cancels; it never calls an Images API.

Lives here: routes, what they say (`contract`), how bodies are read (`bodies`), and the use cases behind them. A route
parses, calls one use case and shows the result.
Must not live here: state changes of tasks (`core.state`), the reading of catalogs (`workers`), and knowledge of Redis,
S3 or arq, which have their doors in `core`.
"""
