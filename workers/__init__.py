"""The worker process: plans batches, claims tasks and turns them into stored pictures.

Lives here: the planner, the shift that claims, the runner that is the heart, the Images API door, the spool, the
retry policy and the rescuer. Must not live here: HTTP routes of ours, anything the service needs.
"""
