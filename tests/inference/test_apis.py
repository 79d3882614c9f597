"""How long it is remembered that a provider has but one API."""

from __future__ import annotations

import pytest

from gateway.config.settings import ProviderSettings, Target
from gateway.inference import apis as module
from gateway.inference.apis import FIRST_SECONDS, LONGEST_SECONDS, Apis, OtherWay

TARGET = Target(ProviderSettings("p", "openai", "http://localhost/v1"), "m", "m")
BY_CHAT = Target(TARGET.provider, "m", "m", found_api="chat")
BY_RESPONSES = Target(TARGET.provider, "m", "m", found_api="responses")
MAYBE = OtherWay(BY_CHAT, is_sure=False)
SURELY = OtherWay(BY_CHAT, is_sure=True)


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def held(apis: Apis, clock: Clock) -> float:
    """Return for how many seconds the provider is asked by chat from now on."""
    begun, low, high = clock.now, 0.0, 2 * LONGEST_SECONDS
    while high - low > 0.5:
        clock.now = begun + (low + high) / 2
        low, high = (
            ((low + high) / 2, high)
            if apis.target_of(TARGET).api == "chat"
            else (low, (low + high) / 2)
        )
    clock.now = begun
    return high


def test_what_is_sure_holds_for_long_and_what_may_pass_for_a_moment(clock: Clock) -> None:
    apis = Apis()
    assert apis.target_of(TARGET) is TARGET
    apis.remember(MAYBE)
    assert held(apis, clock) == pytest.approx(FIRST_SECONDS, abs=1)
    apis.remember(SURELY)
    assert held(apis, clock) == pytest.approx(LONGEST_SECONDS, abs=1)


def test_what_comes_again_at_once_holds_for_twice_as_long_up_to_a_bound(clock: Clock) -> None:
    apis = Apis()
    seen = []
    for _ in range(7):
        apis.remember(MAYBE)
        apis.remember(MAYBE)  # by a request that was under way, too
        seen.append(round(held(apis, clock)))
        clock.now += seen[-1] + 1
    assert seen == pytest.approx([30, 60, 120, 240, 480, 600, 600], abs=1)


def test_what_has_worked_meanwhile_is_believed_for_a_moment_only(clock: Clock) -> None:
    apis = Apis()
    for _ in range(3):
        apis.remember(MAYBE)
        clock.now += 4 * FIRST_SECONDS
    clock.now += LONGEST_SECONDS
    apis.remember(MAYBE)
    assert held(apis, clock) == pytest.approx(FIRST_SECONDS, abs=1)


def test_models_that_want_responses_say_nothing_of_the_provider() -> None:
    apis = Apis()
    apis.remember(OtherWay(BY_RESPONSES, is_sure=True))
    assert apis.target_of(TARGET) is TARGET
