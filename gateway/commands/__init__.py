"""The commands of ``python -m gateway`` that work on the database itself, without a server.

Know click, and what people and programs are shown. Must not know statements or HTTP. What
takes long to import is imported by the command that needs it.
"""
