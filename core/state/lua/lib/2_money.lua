-- Money: integer micro-dollars over three scopes: the batch, the tenant's month, the house's day (UTC).

-- Civil date of a day number since 1970-01-01, proleptic Gregorian, for the names of budget periods.
local function civil(days)
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local day = doy - math.floor((153 * mp + 2) / 5) + 1
  local month = mp < 10 and mp + 3 or mp - 9
  return yoe + era * 400 + (month <= 2 and 1 or 0), month, day
end

local function budget_keys(tenant, now)
  local year, month, day = civil(math.floor(now / 86400000000))
  local this_month = string.format('%04d-%02d', year, month)
  return PREFIX .. 'budget:month:' .. this_month .. ':' .. tenant,
    PREFIX .. 'budget:day:' .. this_month .. string.format('-%02d', day)
end

local function over(key, cap, hold)
  local used = redis.call('HMGET', key, 'held', 'spent')
  return tonumber(used[1] or 0) + tonumber(used[2] or 0) + hold > cap
end

-- Which of its budgets has no room for this, or nil; the batch keeps it beside `limited_by`. A tenant without a monthly
-- cap cannot spend; the other two scopes may go without one.
local function refused_by_budget(batch, tenant, hold, caps, now)
  local month, day = budget_keys(tenant, now)
  local cap, scope = tonumber(redis.call('HGET', batch_key(batch), 'cap') or ''), nil
  if cap and over(batch_key(batch), cap, hold) then scope = 'batch'
  elseif not caps.tenant_month or over(month, caps.tenant_month, hold) then scope = 'tenant_month'
  elseif caps.house_day and over(day, caps.house_day, hold) then scope = 'house_day' end
  if scope then redis.call('HSET', batch_key(batch), 'limited_by', 'budget', 'refused_by', scope) end
  return scope
end

local function hold_money(batch, tenant, hold, now)
  local month, day = budget_keys(tenant, now)
  for _, key in ipairs({ batch_key(batch), month, day }) do add(key, 'held', hold) end
  return month, day
end

-- Tenants with figures of their own: the first ones, for good and for every process alike. The others are one.
local NAMED, MOST_NAMED, OTHER = PREFIX .. 'named', 50, 'other'
local function label_of(tenant)
  if redis.call('SISMEMBER', NAMED, tenant) == 1 then return tenant end
  if redis.call('SCARD', NAMED) >= MOST_NAMED then return OTHER end
  redis.call('SADD', NAMED, tenant)
  return tenant
end

local function tenant_of(batch) return redis.call('HGET', batch_key(batch), 'tenant') end

-- What was ever spent, by lane, model, quality and tenant, for who draws it. A call begins with 0, so that it is seen to grow.
local function count_cost(call, tenant, cost)
  local kind = { call.lane, call.model or 'unknown', call.quality or 'unknown', label_of(tenant) }
  add(PREFIX .. 'costs', table.concat(kind, ' '), cost)
end

-- Gives the hold back and posts what it really cost, in the periods it was held in.
local function settle_money(batch, task, cost)
  if cost > 0 then count_cost(task, tenant_of(batch), cost) end
  for _, key in ipairs({ batch_key(batch), task.month, task.day }) do
    add(key, 'held', -tonumber(task.hold or 0))
    add(key, 'spent', cost)
  end
end

-- The attempt that a task is at, or nil after a late result, which may have been any attempt's: it has a later fence
-- than the last claim. What ended and was never late has as many fences as attempts.
local function attempt_of(task)
  local attempt = tonumber(task.attempt or 0)
  return tonumber(task.fence or 0) == tonumber(task.claim_fence or attempt) and attempt or nil
end

-- What of an attempt's cost is not posted yet, which is then taken as posted: an attempt is paid once, whoever says so.
local function unposted(batch, index, attempt, cost)
  if not attempt or cost <= 0 then return cost end
  local key, field = posted_key(batch, index), int(index) .. ':' .. int(attempt)
  local more = math.max(0, cost - tonumber(redis.call('HGET', key, field) or 0))
  if more > 0 then add(key, field, more) end
  return more
end

-- Of a task that is parked with this very attempt the hold is still there: that is its money, until the doubt is settled.
local function is_held(paid)
  local task = hash(task_key(paid.batch, paid.index))
  return task.state == 'parked' and tonumber(task.hold or 0) > 0 and attempt_of(task) == paid.attempt
end

-- Posts what was paid beside the picture that a task has, whatever else the state of the task is. Who brings it back from
-- storage names no model: it was counted when it was paid.
local function post_surplus(paid, now)
  if is_held(paid) then return { status = 'ok' } end
  local key, cost = batch_key(paid.batch), unposted(paid.batch, paid.index, paid.attempt, paid.cost)
  if cost > 0 then
    local tenant = tenant_of(paid.batch)
    local month, day = budget_keys(tenant, now)
    for _, scope in ipairs({ key, month, day }) do add(scope, 'spent', cost) end
    if paid.model then count_cost(paid, tenant, cost) end
    add(key, 'n_surplus', 1)
    add(key, 'surplus_usd_micros', cost)
    note_task(paid.batch, paid.index)
    changed(paid.batch)
  end
  return { status = 'ok' }
end
