"""The one door to providers of pictures: a request of ours goes out, a picture on disk or a named failure comes back.

What lives here: the wire format of the Images API, its headers, its errors, the streaming of its answers to
the spool, and one shared HTTP connection pool; and the same of an upscaler, in `upscaler` and `upscaler_errors`. Only
this place knows a provider's words; what leaves it is `schemas.image` and `schemas.failure`.

Laws of this package:
- One call is one send. Nothing here retries, hedges or follows redirects.
- Expected failures are values. A failure is `not_sent` only when no connection had been handed to the call;
  whatever happens after that without a complete answer is `doubtful`, because it may have been charged.
- The body of an answer is never held as one string; a picture goes to disk as it arrives.
- Prompts, keys and base64 never reach a message or a log.

What must not live here: limits, budgets, retries, storage, checks of the picture itself, Redis.
"""
