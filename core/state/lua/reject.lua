-- Ends a batch that never started, unless it was cancelled in the meantime.
--
-- ARGV[1] batch, ARGV[2] refusal, ARGV[3] problems as JSON, ARGV[4] finished_at in ms
-- Returns 1, or 0 when the batch was not waiting for its plan any more.

local key = batch_key(ARGV[1])
if redis.call('HGET', key, 'state') ~= 'planning' then return 0 end
redis.call('HSET', key, 'state', 'rejected', 'refusal', ARGV[2], 'problems', ARGV[3], 'finished_at', ARGV[4])
changed(ARGV[1])
return 1
