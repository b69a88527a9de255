"""Finishing: an original becomes the pictures that its preset and its manifest ask for, labelled and checked.

Everything but `finisher` is pure functions of bytes and pictures, and runs in processes of its own. Nothing here
changes an original, knows a task, or speaks to Redis or storage.
"""
