-- Ends a batch early, part by part: nothing new starts, what waits ends, what is in flight is paid and is kept. The first
-- call decides it; whoever repeats it ends the next part, also of a closing that somebody else began.
--
-- ARGV[1] batch, ARGV[2] cancelled | expired, ARGV[3] '1' for a batch that is being brought back from storage,
-- ARGV[4] how many tasks a part has at most, given by tests alone, whose batches are small; else PART
-- Returns 'closing' while there are parts left, then the new state; '' when the batch had already ended, is being brought
-- back, or its deadline has not passed.

local batch, reason = ARGV[1], ARGV[2]
local key, now = batch_key(batch), now_us()
local state, deadline, closing = unpack(redis.call('HMGET', key, 'state', 'deadline', 'closing'))

local function may_begin()
  if closing and (closing == reason or closing == 'cancelled') then return false end
  if reason == 'expired' and (tonumber(deadline or '') or math.huge) * 1000 >= now then return false end
  if (redis.call('HEXISTS', key, 'restoring') == 1) ~= (ARGV[3] == '1') then return false end
  return state == 'running' or state == 'paused' or (state == 'planning' and reason == 'cancelled')
end

if may_begin() then begin_closing(batch, reason)
elseif not closing then return '' end
close_part(batch, tonumber(ARGV[4] or PART), now)
return redis.call('HEXISTS', key, 'closing') == 1 and 'closing' or redis.call('HGET', key, 'state')
