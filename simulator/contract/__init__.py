"""The provider's contract as this simulator reads it: models, parameters, uploads, prices, and error bodies.

Here lives what a call is and what it may be, before anything happens to it. Nothing here keeps state, waits, or
knows of limits, faults and the ledger.
"""
