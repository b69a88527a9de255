"""The one door to files that others host: a URL goes in, a file of ours or a named failure comes out.

What lives here: which URLs and addresses may be asked (`urls`, `addresses`, `guard`), the fetch itself with
its redirects and limits (`fetcher`, `body`), and objects in the buckets that an operator opens (`buckets`).

Laws of this package:
- A URL is hostile until proven otherwise. No socket exists for an address that was not checked, and the
  address that was checked is the one dialled; a redirect is a new URL and starts at the first check.
- Nothing of ours travels along: no cookies, credentials or referrer, no proxy or netrc of the environment.
- An error says which host and why. Never the rest of the URL (it may be signed), never a byte of the answer.
- A file appears under its name whole or not at all.

What must not live here: what a file means (catalogs, pictures), decoding pictures, retries, storage, Redis.
A network's own NAT64 prefix, or a public address that is routed inwards, cannot be known here: the egress
rules of the deployment are the second wall.
"""
