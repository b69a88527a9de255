-- Ends a batch that never started, unless it was cancelled in the meantime.
--
-- ARGV[1] msgpack: batch, refusal, problems (JSON), finished_at (ms), plan {text, kept_s} | nil, fence of the plan
-- Returns 1, or 0 when the batch was not waiting for its plan any more, or not for that of this fence.

local ask = cmsgpack.unpack(ARGV[1])
if not is_unplanned(ask.batch, ask.fence) then return 0 end
keep_plan(ask.batch, ask.plan)
redis.call('HSET', batch_key(ask.batch), 'state', 'rejected', 'refusal', ask.refusal, 'problems', ask.problems,
  'finished_at', int(ask.finished_at))
note(ask.batch, 'steering') -- a planner that died may have left its plan in storage, and it is not to be made after all
changed(ask.batch)
return 1
