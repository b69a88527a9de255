"""Round trips: the pictures of a batch as files that shops import.

A product is known to its shop by what its row says: by its handle in Shopify, by its id in Google's Merchant Center.
"""
