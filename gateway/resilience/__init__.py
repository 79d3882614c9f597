"""What stands between a request and a failing or busy target: retries, breakers, fair lines.

Knows shared state and the gateway's errors. Must not know HTTP frameworks,
providers' formats or connections.
"""
