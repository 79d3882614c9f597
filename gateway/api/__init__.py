"""The HTTP API: one blueprint a file.

Knows Flask. Must not know providers or upstream formats.
"""
