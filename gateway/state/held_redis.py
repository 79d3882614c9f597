"""Reservations in Redis: the scripts, and what goes into and comes out of them.

Knows the layout in Redis. Must not know connections, nor what to do while Redis is away.

A counter is a hash with ``v``, its value, and ``b``, when it was born. What an owner
holds is a hash from the reservation's number to its parts, as JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.state.reservation import (
    IDLE_LIFETIME,
    Claim,
    Held,
    Refusal,
    Reservation,
    Unseeded,
)

COUNTER = "gateway:held:"
OWNERS = "gateway:holders"
_OWNER = "gateway:holds:"
_IDLE = round(IDLE_LIFETIME * 1000)

# KEYS: what the owner holds, the owners, the counters. ARGV: owner, number; then for each
# counter kind, amount, limit, least, window in ms, seed, where '' stands for none.
RESERVE = """
local time = redis.call('TIME')
local now = time[1] .. string.format('%06d', time[2])
local missing, refused, parts, answer = {}, nil, {}, {}
for i = 1, #KEYS - 2 do
  local at = 2 + (i - 1) * 6
  local kind, amount = ARGV[at + 1], tonumber(ARGV[at + 2])
  local limit, least = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local stored = redis.call('HMGET', KEYS[i + 2], 'v', 'b')
  local value, born, left = tonumber(stored[1]), stored[2], redis.call('PTTL', KEYS[i + 2])
  if not value or left <= 0 then
    value, born, left = tonumber(ARGV[at + 6]) or 0, now, tonumber(ARGV[at + 5])
    if kind == 'account' and ARGV[at + 6] == '' then table.insert(missing, i) end
  elseif kind == 'window' and left > tonumber(ARGV[at + 5]) then -- Redis' clock was set back
    left = tonumber(ARGV[at + 5])
    redis.call('PEXPIRE', KEYS[i + 2], left)
  end
  if kind ~= 'window' then left = tonumber(ARGV[at + 5]) end
  if limit and value + amount > limit then
    if least and least <= limit - value then
      amount = limit - value
    else
      refused = refused or {'refused', i, value, left}
    end
  end
  parts[i] = {kind, amount, born, KEYS[i + 2]}
  table.insert(answer, {amount, value + amount, left, born})
end
if #missing > 0 then return {'unseeded', unpack(missing)} end
if refused then return refused end
for i, part in ipairs(parts) do
  redis.call('HSET', part[4], 'v', string.format('%.0f', answer[i][2]), 'b', part[3])
  redis.call('PEXPIRE', part[4], answer[i][3])
end
redis.call('HSET', KEYS[1], ARGV[2], cjson.encode(parts))
redis.call('SADD', KEYS[2], ARGV[1])
return {'held', unpack(answer)}
"""

# KEYS: what the owner holds, the counters. ARGV: number, idle ms; then for each counter kind,
# amount held, born, amount used.
SETTLE = """
local is_known = redis.call('HDEL', KEYS[1], ARGV[1]) == 1
local answer = {}
for i = 1, #KEYS - 1 do
  local at = 2 + (i - 1) * 4
  local kind, key = ARGV[at + 1], KEYS[i + 1]
  local stored = redis.call('HMGET', key, 'v', 'b')
  local value = tonumber(stored[1])
  local is_same = stored[2] == ARGV[at + 3]
  local is_due = is_known and (is_same or kind == 'account')
  if value and (is_due or (kind == 'account' and not is_same)) then
    value = math.max(0, value + tonumber(ARGV[at + 4]) - tonumber(ARGV[at + 2]))
    redis.call('HSET', key, 'v', string.format('%.0f', value))
    if kind ~= 'window' then redis.call('PEXPIRE', key, ARGV[2]) end
    answer[i] = {value, redis.call('PTTL', key)}
  else
    answer[i] = {tonumber(ARGV[at + 4]), 0}
  end
end
return answer
"""

# KEYS: what the dead owner holds, the owners. ARGV: the owner.
REAP = """
local records = redis.call('HVALS', KEYS[1])
for _, record in ipairs(records) do
  for _, part in ipairs(cjson.decode(record)) do
    if part[1] == 'slots' and redis.call('HGET', part[4], 'b') == part[3] then
      local value = math.max(0, tonumber(redis.call('HGET', part[4], 'v')) - part[2])
      redis.call('HSET', part[4], 'v', string.format('%.0f', value))
    end
  end
end
redis.call('DEL', KEYS[1])
redis.call('SREM', KEYS[2], ARGV[1])
return #records
"""

# KEYS: what the owner holds. ARGV: the number of a reservation that may have been made.
CANCEL = """
local record = redis.call('HGET', KEYS[1], ARGV[1])
if not record then return 0 end
for _, part in ipairs(cjson.decode(record)) do
  if redis.call('HGET', part[4], 'b') == part[3] then
    local value = math.max(0, tonumber(redis.call('HGET', part[4], 'v')) - part[2])
    redis.call('HSET', part[4], 'v', string.format('%.0f', value))
  end
end
return redis.call('HDEL', KEYS[1], ARGV[1])
"""

Argument = str | bytes | int


def reserve_command(claims: Sequence[Claim], owner: str, number: int) -> list[Argument]:
    """Return the command that takes all ``claims`` or none."""
    keys = [_OWNER + owner, OWNERS, *(COUNTER + claim.key for claim in claims)]
    arguments: list[Argument] = [owner, number]
    for claim in claims:
        window = max(1, round(claim.window * 1000))
        limit, least, seed = (_optional(v) for v in (claim.limit, claim.least, claim.seed))
        arguments += [claim.kind, claim.amount, limit, least, window, seed]
    return ["EVAL", RESERVE, len(keys), *keys, *arguments]


def parse_reserved(
    answer: Sequence[Any], claims: Sequence[Claim], owner: str, number: int
) -> Reservation | Refusal | Unseeded:
    """Return what Redis answered to ``reserve_command``."""
    outcome = answer[0]
    if outcome == b"unseeded":
        return Unseeded([claims[index - 1].key for index in answer[1:]])
    if outcome == b"refused":
        _, index, value, left = answer
        return Refusal(claims[index - 1], value, left / 1000)
    held = [
        Held(claim, amount, value, left / 1000, int(born))
        for claim, (amount, value, left, born) in zip(claims, answer[1:], strict=True)
    ]
    return Reservation(number, owner, held)


def settle_command(reservation: Reservation, used: Sequence[int]) -> list[Argument]:
    """Return the command that puts what was ``used`` in place of what is held."""
    keys = [_OWNER + reservation.owner, *(COUNTER + held.claim.key for held in reservation.held)]
    arguments: list[Argument] = [reservation.number, _IDLE]
    for held, amount in zip(reservation.held, used, strict=True):
        arguments += [held.claim.kind, held.amount, held.born, amount]
    return ["EVAL", SETTLE, len(keys), *keys, *arguments]


def parse_settled(
    answer: Sequence[Any], reservation: Reservation, used: Sequence[int]
) -> list[Held]:
    """Return the counters as Redis answered to ``settle_command``."""
    return [
        held._replace(amount=amount, value=value, resets_in=max(left, 0) / 1000)
        for held, amount, (value, left) in zip(reservation.held, used, answer, strict=True)
    ]


def cancel_command(owner: str, number: int) -> list[Argument]:
    """Return the command that gives back all of a reservation, if it was made."""
    return ["EVAL", CANCEL, 1, _OWNER + owner, number]


def reap_command(owner: str) -> list[Argument]:
    """Return the command that settles what a dead owner holds."""
    return ["EVAL", REAP, 2, _OWNER + owner, OWNERS, owner]


def _optional(value: int | None) -> Argument:
    return "" if value is None else value
