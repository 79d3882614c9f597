"""The places where state can lie, as the tests of the state itself use them."""

from tests.state.conftest import local_state, redis_server, redis_state, state

__all__ = ["local_state", "redis_server", "redis_state", "state"]
