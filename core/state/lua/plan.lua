-- Gives the plan of a batch to a planner. Whoever had it before cannot open the batch any more.
--
-- ARGV[1] batch
-- Returns the fence of the plan, or 0 when the batch does not wait for one (any more).

local key = batch_key(ARGV[1])
if not is_unplanned(ARGV[1]) then return 0 end
return add(key, 'plan_fence', 1)
