"""The doctor: looks at what the configuration promises, and says of each thing whether it holds and what to do.

One module a patient: Redis, storage, the provider, the spool. `visit` joins them and is what is run. A patient's
module takes what it looks at and answers with findings; it stops where nothing further can be known. Whatever is
written is removed again, no call costs anything, and no finding holds a secret.
"""
