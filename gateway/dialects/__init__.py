"""The public APIs that clients speak, one module or package each, to and from the canonical form.

Must not know Flask, sockets or providers.
"""
