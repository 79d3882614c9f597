"""The configuration: what can be set, where from, and what is in force.

``load_settings`` is imported from ``gateway.config.load``; nothing is imported
here, so that the bare values of ``gateway.config.settings`` stay cheap to reach.
"""
