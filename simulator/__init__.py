"""A stand-in for the OpenAI Images API, and for an upscaler, faithful enough to rehearse a campaign for nothing.

Here lives a second, independent reading of the contract: parameters, errors, headers, limits, prices,
latencies, pictures, and the faults a real provider shows. Its ledger of what it charged is the oracle of
every money test. Nothing here imports another package of this repository, and none of them imports this one.
"""
