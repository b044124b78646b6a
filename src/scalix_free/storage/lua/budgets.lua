
-- ── Providers' limits ───────────────────────────────────────────────────────────────────────
--
-- core/budget.py, as above: the same rules over the same packed budgets, named alike. Scopes come as
-- "rpm rpd tpm tpd concurrent firm day_end", -1 for what is not limited; windows count from 1 here.

do
  local HEAD, CELL, SLOT = '<HHHHHHi8i8i8i8i4i4i4i4', '<i8I4i8', '<c17i8'
  local HEAD_BYTES, CELL_BYTES, SLOT_BYTES = 60, 20, 25
  local MINUTE, DAY, MARGIN, ROLLING_CELL = 60000, 86400000, 1000, 1440000
  local PROBE, SLOT_HELD, DOUBT, LEARNED = 30000, 60000, 900000, 86400000
  local BACK_OFF, MOST_BACK_OFF, TRIP, MOST_TRIP = 10000, 900000, 30000, 600000
  local PROVEN, WHOLE, FINE, FOREVER = 2, 1000, 1000000, 9007199254740992
  local RPM, RPD, TPM, TPD = 1, 2, 3, 4
  local RETIRED, RESTING, PROBED, BUSY, PACE, SCARCE = 1, 2, 3, 4, 9, 10
  local FULL = { 5, 6, 7, 8 }
  local SUCCESS, FAILURE = 1, 2
  local REST, BACKING_OFF, TRIPPING, RETIRING, LIMIT, LEFT = 1, 2, 3, 4, 5, 6

  local function is_day(window) return window == RPD or window == TPD end
  local function is_tokens(window) return window == TPM or window == TPD end

  local function scope_of(text)
    local words = {}
    for word in string.gmatch(text, '%S+') do words[#words + 1] = tonumber(word) end
    return {
      most = { words[1], words[2], words[3], words[4] },
      concurrent = words[5],
      firm = words[6] == 1,
      day_end = words[7],
    }
  end

  -- ── Bytes ─────────────────────────────────────────────────────────────────────────────────

  local function cells_of(blob, from, count)
    local cells = {}
    for i = 1, count do
      local expires, requests, tokens = struct.unpack(CELL, blob, from + (i - 1) * CELL_BYTES)
      cells[i] = { expires, requests, tokens }
    end
    return cells
  end

  local function load(key)
    local blob = redis.call('GET', key)
    local budget = {
      key = key, minute = {}, day = {}, slots = {}, trips = 0, proofs = 0, back_offs = 0,
      rest = 0, retired = 0, probe = 0, limits_until = 0, limits = { -1, -1, -1, -1 },
    }
    if not blob then return budget end
    local minutes, days, slots
    minutes, days, slots, budget.trips, budget.proofs, budget.back_offs, budget.rest,
      budget.retired, budget.probe, budget.limits_until, budget.limits[1], budget.limits[2],
      budget.limits[3], budget.limits[4] = struct.unpack(HEAD, blob)
    local from = HEAD_BYTES + 1
    budget.minute = cells_of(blob, from, minutes)
    budget.day = cells_of(blob, from + minutes * CELL_BYTES, days)
    from = from + (minutes + days) * CELL_BYTES
    for i = 1, slots do
      local rid, ends = struct.unpack(SLOT, blob, from + (i - 1) * SLOT_BYTES)
      budget.slots[i] = { rid, ends }
    end
    return budget
  end

  local function is_nothing(budget)
    return #budget.minute == 0 and #budget.day == 0 and #budget.slots == 0 and budget.trips == 0
      and budget.proofs == 0 and budget.back_offs == 0 and budget.rest == 0 and budget.retired == 0
      and budget.probe == 0 and budget.limits_until == 0 and budget.limits[1] == -1
      and budget.limits[2] == -1 and budget.limits[3] == -1 and budget.limits[4] == -1
  end

  local function save(budget, now)
    if is_nothing(budget) then
      redis.call('DEL', budget.key)
      return
    end
    local parts = { struct.pack(
      HEAD, #budget.minute, #budget.day, #budget.slots, budget.trips, budget.proofs,
      budget.back_offs, budget.rest, budget.retired, budget.probe, budget.limits_until,
      budget.limits[1], budget.limits[2], budget.limits[3], budget.limits[4]
    ) }
    local ends = math.max(budget.rest, budget.retired, budget.limits_until)
    for _, cells in ipairs({ budget.minute, budget.day }) do
      for _, cell in ipairs(cells) do
        parts[#parts + 1] = struct.pack(CELL, cell[1], cell[2], cell[3])
        ends = math.max(ends, cell[1])
      end
    end
    for _, slot in ipairs(budget.slots) do
      parts[#parts + 1] = struct.pack(SLOT, slot[1], slot[2])
    end
    redis.call('SET', budget.key, table.concat(parts))
    if ends < FOREVER then -- trips and back-offs are remembered for a day more
      redis.call('PEXPIRE', budget.key, string.format('%.0f', math.max(ends - now, 0) + DAY))
    end
  end

  -- ── Rules ─────────────────────────────────────────────────────────────────────────────────

  local function living(cells, now)
    local kept = {}
    for _, cell in ipairs(cells) do
      if cell[1] > now then kept[#kept + 1] = cell end
    end
    return kept
  end

  local function forget(budget, now)
    if budget.minute[1] and budget.minute[1][1] <= now then
      budget.minute = living(budget.minute, now)
    end
    budget.day = living(budget.day, now)
    local slots = {}
    for _, slot in ipairs(budget.slots) do
      if slot[2] > now then slots[#slots + 1] = slot end
    end
    budget.slots = slots
    if budget.limits_until <= now then
      budget.limits, budget.limits_until = { -1, -1, -1, -1 }, 0
    end
  end

  local function most(budget, scope, window)
    local allowed, told = scope.most[window], budget.limits[window]
    if told < 0 then return allowed end
    if allowed >= 0 and scope.firm then return math.min(allowed, told) end
    return told
  end

  local function used(budget, window)
    local sum, place = 0, is_tokens(window) and 3 or 2
    for _, cell in ipairs(is_day(window) and budget.day or budget.minute) do
      sum = sum + cell[place]
    end
    return sum
  end

  local function day_end(scope, now)
    local late = now - scope.day_end
    if late < 0 then return scope.day_end end
    return scope.day_end + (math.floor(late / DAY) + 1) * DAY
  end

  local function cell_end(scope, now, of_day)
    if not of_day then return (math.floor(now / 1000) + 1) * 1000 + MINUTE + MARGIN end
    if scope.day_end > 0 then return day_end(scope, now) end
    return (math.floor(now / ROLLING_CELL) + 1) * ROLLING_CELL + DAY + MARGIN
  end

  local function allowed_now(scope, limit, headroom, now)
    if scope.day_end == 0 or headroom >= WHOLE then return limit end
    local passed = math.max(DAY - (day_end(scope, now) - now), 0)
    local part = math.floor((headroom * DAY + (WHOLE - headroom) * passed) * 1000 / DAY)
    return math.floor(limit * part / FINE)
  end

  local function pace_end(scope, limit, headroom, wanted, now)
    local ends = day_end(scope, now)
    if limit == 0 then return ends end
    local part = math.ceil(wanted * FINE / limit)
    local passed = math.ceil((part - headroom * 1000) * DAY / ((WHOLE - headroom) * 1000))
    return ends - DAY + math.min(math.max(passed, 0), DAY)
  end

  local function room_end(budget, window, missing)
    local cells, place = {}, is_tokens(window) and 3 or 2
    for i, cell in ipairs(is_day(window) and budget.day or budget.minute) do cells[i] = cell end
    table.sort(cells, function(a, b) return a[1] < b[1] end)
    for _, cell in ipairs(cells) do
      missing = missing - cell[place]
      if missing <= 0 then return cell[1] end
    end
    return -1
  end

  local function earliest_end(budget)
    local earliest = -1
    for _, cells in ipairs({ budget.minute, budget.day }) do
      for _, cell in ipairs(cells) do
        if earliest < 0 or cell[1] < earliest then earliest = cell[1] end
      end
    end
    return earliest
  end

  -- A shortage is { why, until }; of two the one that lasts longer, -1 being for ever.
  local function longer(short, other)
    if other == nil then return true end
    if other[2] < 0 then return false end
    return short[2] < 0 or short[2] > other[2]
  end

  local function is_due(utilisation, received)
    return utilisation <= 500 or received <= WHOLE - math.floor(95 * (utilisation - 500) / 50)
  end

  local function short_of(budget, scope, ask, now)
    if budget.retired > now then
      return { RETIRED, budget.retired >= FOREVER and -1 or budget.retired }
    end
    if budget.rest > now then return { RESTING, budget.rest } end
    if budget.trips > 0 and budget.probe > now then return { PROBED, budget.probe } end
    if scope.concurrent >= 0 and #budget.slots >= scope.concurrent then return { BUSY, -1 } end
    local short, tightest = nil, 0
    for window = RPM, TPD do
      local limit = most(budget, scope, window)
      if limit >= 0 then
        local amount = is_tokens(window) and ask.tokens or 1
        local spent, found = used(budget, window), nil
        if spent + amount > limit then
          found = { FULL[window], room_end(budget, window, spent + amount - limit) }
        elseif is_day(window) then
          local allowed = allowed_now(scope, limit, ask.headroom, now)
          if spent + amount > math.max(allowed, amount) then
            found = { PACE, pace_end(scope, limit, ask.headroom, spent + amount, now) }
          end
          limit = allowed
        end
        if found and longer(found, short) then short = found end
        tightest = math.max(tightest, math.floor(spent * WHOLE / math.max(limit, 1)))
      end
    end
    if short == nil and not is_due(tightest, ask.received) then
      return { SCARCE, earliest_end(budget) }
    end
    return short
  end

  local function add(cells, expires, requests, tokens)
    for i = #cells, 1, -1 do
      if cells[i][1] == expires then
        cells[i][2], cells[i][3] = cells[i][2] + requests, cells[i][3] + tokens
        return
      end
    end
    cells[#cells + 1] = { expires, requests, tokens }
  end

  local function is_kept(budget, scope, one, other)
    return most(budget, scope, one) >= 0 or most(budget, scope, other) >= 0
  end

  local function spend(budget, scope, ask, now)
    if is_kept(budget, scope, RPM, TPM) then
      add(budget.minute, cell_end(scope, now, false), 1, ask.tokens)
    end
    if is_kept(budget, scope, RPD, TPD) then
      local ends = cell_end(scope, now, true)
      add(budget.day, ends, 1, ask.tokens)
      if scope.day_end > 0 and ends - now <= MARGIN then
        add(budget.day, ends + DAY, 1, ask.tokens)
      end
    end
    if scope.concurrent >= 0 then
      budget.slots[#budget.slots + 1] = { ask.rid, now + SLOT_HELD }
    end
    if budget.trips > 0 then budget.probe = now + PROBE end
  end

  local function correct(budget, scope, at, tokens)
    for _, of in ipairs({ { budget.minute, false }, { budget.day, true } }) do
      local expires = cell_end(scope, at, of[2])
      for _, cell in ipairs(of[1]) do
        if cell[1] == expires then cell[3] = math.max(cell[3] + tokens, 0) end
      end
    end
  end

  local function trip(budget, now)
    budget.trips = budget.trips + 1
    budget.proofs, budget.probe = 0, 0
    local wait = math.min(TRIP * 2 ^ math.min(budget.trips - 1, 16), MOST_TRIP)
    budget.rest = math.max(budget.rest, now + wait)
  end

  local function judge(budget, verdict, now)
    if verdict == SUCCESS then budget.back_offs = 0 end
    if budget.trips == 0 or budget.rest > now then return end
    budget.probe = 0
    if verdict == FAILURE then
      trip(budget, now)
    elseif verdict == SUCCESS then
      budget.proofs = budget.proofs + 1
      if budget.proofs >= PROVEN then budget.trips, budget.proofs = 0, 0 end
    end
  end

  local function believe(budget, scope, ends, window, amount, now)
    local limit = most(budget, scope, window)
    if limit < 0 then return end
    local excess = limit - used(budget, window) - amount
    if excess <= 0 then return end
    local expires = is_day(window) and now + DOUBT or cell_end(scope, now, false)
    if ends > now then expires = math.min(expires, ends) end
    local cells = is_day(window) and budget.day or budget.minute
    local requests = is_tokens(window) and 0 or excess
    local place = #cells + 1
    while place > 1 and cells[place - 1][1] > expires do place = place - 1 end
    table.insert(cells, place, { expires, requests, is_tokens(window) and excess or 0 })
  end

  local function note(budget, scope, act, ends, window, amount, now)
    if act == REST then
      budget.rest = math.max(budget.rest, ends)
    elseif act == BACKING_OFF then
      local wait = math.min(BACK_OFF * 2 ^ math.min(budget.back_offs, 16), MOST_BACK_OFF)
      budget.back_offs = budget.back_offs + 1
      budget.rest = math.max(budget.rest, now + wait)
    elseif act == TRIPPING then
      if budget.rest <= now or budget.trips == 0 then trip(budget, now) end
    elseif act == RETIRING then
      budget.retired = math.max(budget.retired, ends)
    elseif act == LIMIT then
      budget.limits[window] = amount
      budget.limits_until = now + LEARNED
    elseif act == LEFT then
      believe(budget, scope, ends, window, amount, now)
    end
  end

  -- ── Operations ────────────────────────────────────────────────────────────────────────────

  local function open_all(keys, args, first, now)
    local budgets, scopes = {}, {}
    for i, key in ipairs(keys) do
      budgets[i], scopes[i] = load(key), scope_of(args[first + i - 1])
      forget(budgets[i], now)
    end
    return budgets, scopes
  end

  local function save_all(budgets, now)
    for _, budget in ipairs(budgets) do save(budget, now) end
  end

  -- TAKE rid tokens headroom received scope… → 0, at; or the place of the scope, why, until
  local function take(keys, args)
    local now = clock(args)
    local budgets, scopes = open_all(keys, args, 5, now)
    local ask = {
      rid = args[1], tokens = tonumber(args[2]),
      headroom = tonumber(args[3]), received = tonumber(args[4]),
    }
    local short, place = nil, 0
    for i, budget in ipairs(budgets) do
      local found = short_of(budget, scopes[i], ask, now)
      if found and longer(found, short) then short, place = found, i end
    end
    if short then return { place, short[1], short[2] } end
    for i, budget in ipairs(budgets) do spend(budget, scopes[i], ask, now) end
    save_all(budgets, now)
    return { 0, now }
  end

  -- CLOSE rid at reserved tokens verdict findings scope…; a finding is five numbers, see note
  local function close(keys, args)
    local now = clock(args)
    local rid, at, reserved = args[1], tonumber(args[2]), tonumber(args[3])
    local tokens, verdict = tonumber(args[4]), tonumber(args[5])
    local budgets, scopes = open_all(keys, args, 7, now)
    for i, budget in ipairs(budgets) do
      local slots = {}
      for _, slot in ipairs(budget.slots) do
        if slot[1] ~= rid then slots[#slots + 1] = slot end
      end
      budget.slots = slots
      if tokens >= 0 and tokens ~= reserved then
        correct(budget, scopes[i], at, tokens - reserved)
      end
      judge(budget, verdict, now)
    end
    local found = {}
    for word in string.gmatch(args[6], '%S+') do found[#found + 1] = tonumber(word) end
    for i = 1, #found, 5 do
      local place = found[i] + 1
      local act, ends, window, amount = found[i + 1], found[i + 2], found[i + 3] + 1, found[i + 4]
      note(budgets[place], scopes[place], act, ends, window, amount, now)
    end
    save_all(budgets, now)
    return 1
  end

  -- BEAT rid, of the calls in flight of these scopes
  local function keep(keys, args)
    local now, rid = clock(args), args[1]
    for _, key in ipairs(keys) do
      local budget = load(key)
      forget(budget, now)
      for _, slot in ipairs(budget.slots) do
        if slot[1] == rid then slot[2] = now + SLOT_HELD end
      end
      save(budget, now)
    end
    return 1
  end

  redis.register_function(NAME .. '_budget_take', take)
  redis.register_function(NAME .. '_budget_close', close)
  redis.register_function(NAME .. '_budget_beat', keep)
end
