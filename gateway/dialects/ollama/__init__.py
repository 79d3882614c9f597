"""Ollama's API as spoken to clients: chats, completions, embeddings, lists of models.

Knows its wire format (Ollama v0.25 to v0.33). Must not know Flask, sockets or providers.
"""
