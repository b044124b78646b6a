#!lua name=scalix_free_ledger
--
-- core/ledger.py inside a Redis or Valkey server: the same rules over the same packed books, proved
-- equal to it by tests/contracts. Read that first; what is named alike here is meant alike.
--
-- A book is a string at its subject's key, with a time to live. The rows of a caller's own book
-- (leased) are unpacked into columns; those of shared books are counted where they stand.
--
-- All functions take the keys of books, the caller's own first, and say what they did in integers;
-- -1 stands for None. Numbers are doubles: whatever comes here is below 2^53.

local NAME = 'scalix_free_ledger'
local HELD_CLOCK = false -- tests put a library beside this one whose first argument is the time

local VERSION, HEADER, ROW = 1, 6, 41
local LEASE_MS, LATE_MS, TURN_MS, TURN_CALLS = 45000, 600000, 600000, 4
local CALLS_RETRY_MS, PARTS = 2000, 60
local REQUESTS, TOKENS, CALLS, USERS = 1, 2, 3, 4
local MOST_U32 = 4294967295
local ROW_FORMAT = '<c16I8I4I4I4I4B'


-- ── Policies ────────────────────────────────────────────────────────────────────────────────

local policies, policies_known = {}, 0

-- "leased horizon memory users" and for each limit "how it is kept, unit, window, most".
local function policy_of(text)
  local policy = policies[text]
  if policy then return policy end
  local words = {}
  for word in string.gmatch(text, '%S+') do words[#words + 1] = word end
  policy = {
    leased = words[1] == '1',
    horizon = tonumber(words[2]),
    memory = tonumber(words[3]),
    counts_users = words[4] == '1',
    limits = {},
  }
  for i = 5, #words, 4 do
    policy.limits[#policy.limits + 1] = {
      kept = words[i],
      unit = tonumber(words[i + 1]),
      window = tonumber(words[i + 2]),
      most = tonumber(words[i + 3]),
    }
  end
  if policies_known > 1000 then policies, policies_known = {}, 0 end
  policies[text], policies_known = policy, policies_known + 1
  return policy
end

-- ── Sub-buckets ─────────────────────────────────────────────────────────────────────────────

local function leaves(tally, index)
  local moment = (index + 1) * tally.window
  return (moment + (PARTS - moment % PARTS) % PARTS) / PARTS - 1 + tally.window
end

local function tally_add(tally, at, amount)
  if amount == 0 then return end
  local moment = at * PARTS
  local index = (moment - moment % tally.window) / tally.window
  local place = #tally.index
  while place > 0 and tally.index[place] > index do place = place - 1 end
  if place > 0 and tally.index[place] == index then
    tally.amount[place] = math.max(0, tally.amount[place] + amount)
  elseif amount > 0 then
    table.insert(tally.index, place + 1, index)
    table.insert(tally.amount, place + 1, amount)
  end
end

-- A correction may bring a sub-bucket back that has left the window, so each is looked at.
local function tally_used(tally, now)
  local used = 0
  for i, index in ipairs(tally.index) do
    if leaves(tally, index) > now then used = used + tally.amount[i] end
  end
  return used
end

local function tallies_add(book, unit, at, amount)
  for _, tally in pairs(book.tallies) do
    if tally.unit == unit then tally_add(tally, at, amount) end
  end
end

-- ── Rows ────────────────────────────────────────────────────────────────────────────────────

local function counts(flags) return flags % 2 end
local function is_settled(flags) return flags % 4 >= 2 end
local function is_spared(flags) return flags >= 4 end

local function at(book, i)
  if book.at then return book.at[i] end
  return (struct.unpack('<I8', book.rows, (i - 1) * ROW + 17))
end

local function rid_of(book, i) return string.sub(book.rows, (i - 1) * ROW + 1, (i - 1) * ROW + 16) end

-- How many rows were admitted at that moment or before.
local function until_(book, moment)
  local low, high = 0, book.n
  while low < high do
    local middle = math.floor((low + high + 1) / 2)
    if at(book, middle) <= moment then low = middle else high = middle - 1 end
  end
  return low
end

local function find(book, rid)
  local from = 1
  while true do
    local place = string.find(book.rows, rid, from, true)
    if not place then return nil end
    if (place - 1) % ROW == 0 then return (place - 1) / ROW + 1 end
    from = place + 1
  end
end

local function read_columns(book)
  book.at, book.lease, book.charge, book.spent, book.tag, book.flags = {}, {}, {}, {}, {}, {}
  local rows = book.rows
  for i = 1, book.n do
    local admitted, lease, charge, spent, tag, flags =
      struct.unpack('<I8I4I4I4I4B', rows, (i - 1) * ROW + 17)
    book.at[i], book.lease[i] = admitted, lease > 0 and admitted + lease or 0
    book.charge[i], book.spent[i], book.tag[i], book.flags[i] = charge, spent, tag, flags
  end
end

local function packed(book, i, rid)
  local lease = book.lease[i]
  return struct.pack(ROW_FORMAT, rid, book.at[i], lease > 0 and lease - book.at[i] or 0,
    math.min(book.charge[i], MOST_U32), math.min(book.spent[i], MOST_U32), book.tag[i], book.flags[i])
end

local function repack(book, i)
  local before = (i - 1) * ROW
  book.rows = string.sub(book.rows, 1, before) .. packed(book, i, rid_of(book, i))
    .. string.sub(book.rows, before + ROW + 1)
end

local function remove(book, i)
  local before = (i - 1) * ROW
  book.rows = string.sub(book.rows, 1, before) .. string.sub(book.rows, before + ROW + 1)
  book.n = book.n - 1
  if book.at then
    for _, column in ipairs({ 'at', 'lease', 'charge', 'spent', 'tag', 'flags' }) do
      table.remove(book[column], i)
    end
  end
end

-- ── Books ───────────────────────────────────────────────────────────────────────────────────

local function set_charge(book, i, tokens)
  tallies_add(book, TOKENS, book.at[i], tokens - book.charge[i])
  book.charge[i], book.spent[i] = tokens, tokens
end

-- Take callers whose lease has passed for dead.
local function expire(book)
  if not book.at then return end
  for i = 1, book.n do
    if book.lease[i] > 0 and book.lease[i] <= book.now then
      book.lease[i] = 0
      set_charge(book, i, book.spent[i])
      repack(book, i)
    end
  end
end

local function read_tallies(book, blob, offset, count)
  local known = {}
  for _ = 1, count do
    local unit, window, entries
    unit, window, entries, offset = struct.unpack('<BI8B', blob, offset)
    local tally = { unit = unit, window = window, index = {}, amount = {} }
    for i = 1, entries do
      tally.index[i], tally.amount[i], offset = struct.unpack('<I8I8', blob, offset)
    end
    known[unit .. ':' .. window] = tally
  end
  for i, limit in ipairs(book.policy.limits) do
    if limit.kept == 'Y' then
      local tally = known[limit.unit .. ':' .. limit.window]
      if not tally then
        tally = { unit = limit.unit, window = limit.window, index = {}, amount = {} }
        for j = 1, book.n do
          local amount = 1
          if book.at then
            amount = limit.unit == TOKENS and book.charge[j] or counts(book.flags[j])
          elseif limit.unit == TOKENS then
            amount = 0
          end
          tally_add(tally, at(book, j), amount)
        end
      end
      while tally.index[1] and leaves(tally, tally.index[1]) <= book.now do
        table.remove(tally.index, 1)
        table.remove(tally.amount, 1)
      end
      book.tallies[i] = tally
    end
  end
end

-- Time never runs backwards for a subject: its newest row holds it.
local function set_time(book, now)
  book.now = book.n > 0 and math.max(now, at(book, book.n)) or now
end

local function open(key, policy_text, now)
  local book = { key = key, policy = policy_of(policy_text), now = now, rows = '', n = 0, tallies = {} }
  local blob, tally_count = redis.call('GET', key), 0
  if blob then
    local version
    version, book.n, tally_count = struct.unpack('<BI4B', blob)
    if version ~= VERSION then error('a book of version ' .. version) end
    book.rows = string.sub(blob, HEADER + 1, HEADER + book.n * ROW)
  end
  if book.policy.leased then read_columns(book) end
  set_time(book, now)
  read_tallies(book, blob, HEADER + book.n * ROW + 1, tally_count)
  expire(book)
  return book
end

local function save(book)
  local parts, entries, tally_count = {}, 0, 0
  for i = 1, #book.policy.limits do
    local tally = book.tallies[i]
    if tally then
      tally_count = tally_count + 1
      parts[#parts + 1] = struct.pack('<BI8B', tally.unit, tally.window, #tally.index)
      for j = 1, #tally.index do
        parts[#parts + 1] = struct.pack('<I8I8', tally.index[j], tally.amount[j])
      end
      entries = entries + #tally.index
    end
  end
  if book.n == 0 and entries == 0 then
    redis.call('DEL', book.key)
    return
  end
  local blob = struct.pack('<BI4B', VERSION, book.n, tally_count) .. book.rows .. table.concat(parts)
  redis.call('SET', book.key, blob, 'PX', string.format('%.0f', book.policy.memory))
end

local function prune(book)
  local horizon = book.policy.horizon
  if book.n == 0 or at(book, 1) > book.now - horizon then return end
  if not book.at then
    local gone = until_(book, book.now - horizon)
    book.rows, book.n = string.sub(book.rows, gone * ROW + 1), book.n - gone
    return
  end
  local late, kept = math.max(horizon, LATE_MS, TURN_MS), {}
  for i = 1, book.n do
    local needed = is_settled(book.flags[i]) and book.tag[i] == 0 and horizon or late
    if book.lease[i] > 0 or book.at[i] > book.now - needed then
      kept[#kept + 1] = string.sub(book.rows, (i - 1) * ROW + 1, i * ROW)
    end
  end
  if #kept < book.n then
    book.rows, book.n = table.concat(kept), #kept
    read_columns(book)
  end
end

-- ── Reading ─────────────────────────────────────────────────────────────────────────────────

-- The users in a window: tag → the newest row's time, and how many there are.
local function users(book, out)
  local newest, count = {}, 0
  for i = out + 1, book.n do
    local tag = book.at and book.tag[i] or struct.unpack('<I4', book.rows, (i - 1) * ROW + 37)
    if not newest[tag] then count = count + 1 end
    newest[tag] = at(book, i)
  end
  return newest, count
end

-- What counts now against one limit. Where only room is asked for, `enough` saves counting users.
local function usage(book, i, enough)
  local limit = book.policy.limits[i]
  local kept = limit.kept
  if kept == 'N' then return 0 end
  if kept == 'Y' then return tally_used(book.tallies[i], book.now) end
  if kept == 'O' then
    local open_ = 0
    for j = 1, book.at and book.n or 0 do
      if book.lease[j] > 0 then open_ = open_ + 1 end
    end
    return open_
  end
  local out = until_(book, book.now - limit.window)
  if kept == 'U' then
    if enough and book.n - out < enough then return book.n - out end
    local _, count = users(book, out)
    return count
  end
  if not book.at then return kept == 'R' and book.n - out or 0 end
  local used = 0
  for j = out + 1, book.n do
    used = used + (kept == 'R' and counts(book.flags[j]) or kept == 'T' and book.charge[j] or 0)
  end
  return used
end

local function by_time(one, other)
  if one[1] ~= other[1] then return one[1] < other[1] end
  return one[2] < other[2]
end

-- {when, how much} a window gives back, in order of time, if nobody comes.
local function releases(book, i)
  local limit, found = book.policy.limits[i], {}
  local tally = book.tallies[i]
  if tally then
    for j, index in ipairs(tally.index) do
      local leaving = leaves(tally, index)
      if tally.amount[j] > 0 and leaving > book.now then
        found[#found + 1] = { leaving, tally.amount[j] }
      end
    end
    return found
  end
  local out = until_(book, book.now - limit.window)
  if limit.kept == 'U' then
    for _, seen in pairs((users(book, out))) do found[#found + 1] = { seen + limit.window, 1 } end
    table.sort(found, by_time)
    return found
  end
  for j = out + 1, book.n do
    local leaving = at(book, j) + limit.window
    if limit.kept == 'R' then
      if not book.at or counts(book.flags[j]) == 1 then found[#found + 1] = { leaving, 1 } end
    elseif book.at then
      local charge = book.charge[j]
      if book.lease[j] > 0 and book.lease[j] < leaving then
        found[#found + 1] = { book.lease[j], charge - book.spent[j] }
        charge = book.spent[j]
      end
      found[#found + 1] = { leaving, charge }
    end
  end
  if limit.kept == 'T' then table.sort(found, by_time) end
  return found
end

local function resets(book, i)
  local limit = book.policy.limits[i]
  if limit.kept == 'N' or limit.kept == 'O' then return -1 end
  if limit.kept == 'R' or limit.kept == 'T' then
    for j = until_(book, book.now - limit.window) + 1, book.n do
      local something = not book.at
      if book.at then
        something = (limit.kept == 'R' and counts(book.flags[j]) or book.charge[j]) > 0
      end
      if something then return at(book, j) + limit.window end
    end
    return -1
  end
  local first = releases(book, i)[1]
  return first and first[1] or -1
end

local function levels(book)
  local said = {}
  for i = 1, #book.policy.limits do
    local used = usage(book, i)
    said[#said + 1] = used
    said[#said + 1] = used > 0 and resets(book, i) or -1
  end
  return said
end

local function retry(book, i, over, wanted)
  local limit = book.policy.limits[i]
  if limit.unit == CALLS then return CALLS_RETRY_MS end
  if wanted > limit.most then return -1 end
  for _, release in ipairs(releases(book, i)) do
    over = over - release[2]
    if over <= 0 then return release[1] - book.now end
  end
  return -1
end

-- ── Turns ───────────────────────────────────────────────────────────────────────────────────

local function cover(book, turn)
  if turn == 0 or not book.at then return 0 end
  local calls = 0
  for i = book.n, 1, -1 do
    if book.at[i] <= book.now - TURN_MS then return 0 end
    if book.tag[i] == turn then
      local counted = counts(book.flags[i]) == 1
      if counted or is_spared(book.flags[i]) then calls = calls + 1 end
      if counted then
        return calls < TURN_CALLS and book.at[i] + TURN_MS - book.now or 0
      end
    end
  end
  return 0
end

local function uncount(book, i)
  if not book.at then
    tallies_add(book, REQUESTS, at(book, i), -1)
    return
  end
  local flags = book.flags[i]
  book.flags[i] = is_settled(flags) and 2 or 0
  if counts(flags) == 0 then return end
  tallies_add(book, REQUESTS, book.at[i], -1)
  if book.tag[i] == 0 then return end
  for j = i + 1, book.n do
    if book.tag[j] == book.tag[i] then
      if counts(book.flags[j]) == 1 then return end
      if is_spared(book.flags[j]) then
        book.flags[j] = book.flags[j] - 4 + 1
        tallies_add(book, REQUESTS, book.at[j], 1)
        repack(book, j)
        return
      end
    end
  end
end

-- Only time can change how many requests count.
local function is_still(book, now)
  if not book.at or book.now > now then return 0 end
  for i = 1, book.n do
    if not is_settled(book.flags[i]) then return 0 end
    if book.tag[i] > 0 and book.at[i] > book.now - TURN_MS then return 0 end
  end
  return 1
end

-- ── The operations ──────────────────────────────────────────────────────────────────────────

local function clock(args)
  if HELD_CLOCK then return tonumber(table.remove(args, 1)) end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The limits of all books without room: book, limit, used, wait, four numbers for each.
local function full(books, least, user)
  local found = {}
  for b, book in ipairs(books) do
    for i, limit in ipairs(book.policy.limits) do
      local wanted = limit.unit == TOKENS and least or 1
      local used = usage(book, i, limit.most)
      if limit.kept ~= 'N' and used + wanted > limit.most then
        local is_in = false
        if limit.kept == 'U' then
          is_in = users(book, until_(book, book.now - limit.window))[user] ~= nil
        end
        if not is_in then
          local wait = retry(book, i, used + wanted - limit.most, wanted)
          for _, n in ipairs({ b, i, used, wait }) do found[#found + 1] = n end
        end
      end
    end
  end
  return found
end

local function write(book, rid, prompt, output, turn, user, spared)
  prune(book)
  local policy = book.policy
  if not (policy.leased and spared) then tallies_add(book, REQUESTS, book.now, 1) end
  if policy.leased then
    tallies_add(book, TOKENS, book.now, prompt + output)
    local i = book.n + 1
    book.n, book.at[i], book.lease[i] = i, book.now, book.now + LEASE_MS
    book.charge[i], book.spent[i], book.tag[i] = prompt + output, prompt, turn
    book.flags[i] = spared and 4 or 1
    book.rows = book.rows .. packed(book, i, rid)
  elseif policy.horizon > 0 then
    local tag = policy.counts_users and user or 0
    book.rows = book.rows .. struct.pack(ROW_FORMAT, rid, book.now, 0, 0, 0, tag, 3)
    book.n = book.n + 1
  end
  save(book)
end

local function insert(book, rid, moment, charge, spent, user, flags)
  local policy = book.policy
  moment = math.min(moment, book.now)
  if policy.leased then tallies_add(book, TOKENS, moment, charge) end
  tallies_add(book, REQUESTS, moment, policy.leased and counts(flags) or 1)
  if policy.leased or policy.horizon > 0 then
    local row
    if policy.leased then
      local lease = is_settled(flags) and 0 or book.now + LEASE_MS - moment
      row = struct.pack(ROW_FORMAT, rid, moment, lease, math.min(charge, MOST_U32),
        math.min(spent, MOST_U32), 0, flags)
    else
      row = struct.pack(ROW_FORMAT, rid, moment, 0, 0, 0, policy.counts_users and user or 0, 3)
    end
    local before = until_(book, moment) * ROW
    book.rows = string.sub(book.rows, 1, before) .. row .. string.sub(book.rows, before + 1)
    book.n = book.n + 1
    if book.at then read_columns(book) end
    prune(book)
  end
  save(book)
end

-- ADMIT rid prompt output least turn user report alone policy…
-- → verdict (1 admitted, 2 again, 0 denied), output, now, spared, cover, still, levels, full, before
-- Of one who is judged alone, in a cluster, the levels before are told too: another may deny.
local function admit(keys, args)
  local now, books = clock(args), {}
  local rid, report, alone = args[1], args[7] == '1', args[8] == '1'
  local prompt, output, least = tonumber(args[2]), tonumber(args[3]), tonumber(args[4])
  local turn, user = tonumber(args[5]), tonumber(args[6])
  for i, key in ipairs(keys) do books[i] = open(key, args[8 + i], now) end
  local own = books[1]
  local known = find(own, rid)
  if known and (own.at or at(own, known) > own.now - own.policy.horizon) then
    local spared = 0
    if own.at then
      output = math.max(0, own.charge[known] - prompt)
      spared = is_spared(own.flags[known]) and 1 or 0
    end
    return { 2, output, own.now, spared, 0, 0, levels(own), {}, {} }
  end
  local cover_ms, found = cover(own, turn), full(books, least, user)
  for i = 1, #found, 4 do
    local spares = cover_ms > 0 and found[i] == 1
      and own.policy.limits[found[i + 1]].unit == REQUESTS
    if not spares then
      return { 0, 0, own.now, 0, cover_ms, is_still(own, now), levels(own), found, {} }
    end
  end
  local before = alone and levels(own) or {}
  for i, limit in ipairs(own.policy.limits) do
    if limit.unit == TOKENS and limit.kept ~= 'N' then
      output = math.min(output, limit.most - usage(own, i) - prompt)
    end
  end
  local spared = cover_ms > 0
  for _, book in ipairs(books) do write(book, rid, prompt, output, turn, user, spared) end
  local said = report and levels(own) or {}
  return { 1, output, own.now, spared and 1 or 0, cover_ms, 0, said, found, before }
end

-- Count an arrival no longer; where it has no row any more, what was counted at that time. A row
-- that ought to be there and is not was given back before: in a cluster it may come twice.
local function give_back(book, rid, moment)
  local i, horizon = find(book, rid), book.policy.horizon
  if i then
    tallies_add(book, REQUESTS, at(book, i), -1)
    remove(book, i)
  elseif moment > 0 and (horizon == 0 or moment <= book.now - horizon) then
    tallies_add(book, REQUESTS, moment, -1)
  end
  save(book)
end

local function give_back_others(keys, args, first, now, rid, moment)
  for i = 2, #keys do give_back(open(keys[i], args[first + i], now), rid, moment) end
end

-- SETTLE rid tokens counts policy… → changed, admitted at, levels
local function settle(keys, args)
  local now = clock(args)
  local rid, tokens, stays = args[1], tonumber(args[2]), args[3] == '1'
  local own = open(keys[1], args[4], now)
  local i = own.at and find(own, rid)
  if not i or is_settled(own.flags[i]) then return { 0, 0, levels(own) } end
  local moment = own.at[i]
  set_charge(own, i, tokens)
  if not stays then
    uncount(own, i)
    give_back_others(keys, args, 3, now, rid, moment)
  end
  own.flags[i], own.lease[i] = own.flags[i] + 2, 0
  repack(own, i)
  prune(own)
  save(own)
  return { 1, moment, levels(own) }
end

-- REFUND rid policy… → changed, admitted at, levels
local function refund(keys, args)
  local now, rid = clock(args), args[1]
  local own = open(keys[1], args[2], now)
  local i = find(own, rid)
  if not i or (own.at and is_settled(own.flags[i])) then return { 0, 0, levels(own) } end
  local moment = at(own, i)
  if own.at then set_charge(own, i, 0) end
  uncount(own, i)
  remove(own, i)
  set_time(own, now)
  save(own)
  give_back_others(keys, args, 1, now, rid, moment)
  return { 1, moment, levels(own) }
end

-- ENTER rid at charge spent user flags again policy… → 1 where it was not there
-- Of a book of a cluster that is entered again, since the caller's own had it already, only a row
-- can tell whether it was there.
local function enter(keys, args)
  local now, rid, again = clock(args), args[1], args[7] == '1'
  local moment, charge, spent = tonumber(args[2]), tonumber(args[3]), tonumber(args[4])
  local user, flags = tonumber(args[5]), tonumber(args[6])
  for i, key in ipairs(keys) do
    local book = open(key, args[7 + i], now)
    local known = find(book, rid) ~= nil
    if known and i == 1 then return 0 end
    local would_stay = moment > book.now - book.policy.horizon
    if not known and (would_stay or not again) then
      insert(book, rid, moment, charge, spent, user, flags)
    end
  end
  return 1
end

-- ATTEND worker ttl → how many workers are here
local function attend(keys, args)
  local now, worker, ttl = clock(args), args[1], tonumber(args[2])
  redis.call('ZREMRANGEBYSCORE', keys[1], '-inf', string.format('%.0f', now))
  redis.call('ZADD', keys[1], string.format('%.0f', now + ttl), worker)
  redis.call('PEXPIRE', keys[1], string.format('%.0f', ttl))
  return redis.call('ZCARD', keys[1])
end

-- GIVE_BACK rid moment policy, of one shared book in a cluster
local function give_back_one(keys, args)
  local now = clock(args)
  give_back(open(keys[1], args[3], now), args[1], tonumber(args[2]))
  return 1
end

-- BEAT rid spent policy → 1 where it runs, or its caller was taken for dead
local function beat(keys, args)
  local now = clock(args)
  local own = open(keys[1], args[3], now)
  local i = own.at and find(own, args[1])
  if not i or is_settled(own.flags[i]) then return 0 end
  own.spent[i] = tonumber(args[2])
  if own.lease[i] > 0 then
    own.lease[i] = own.now + LEASE_MS
  else
    set_charge(own, i, own.spent[i])
  end
  repack(own, i)
  save(own)
  return 1
end

-- PEEK policy → levels
local function peek(keys, args)
  local now = clock(args)
  return levels(open(keys[1], args[1], now))
end

-- CLAIM until → 1 the first time, else 0
local function claim(keys, args)
  local now, ends = clock(args), tonumber(args[1])
  local held = redis.call('GET', keys[1])
  if held and tonumber(held) > now then return 0 end
  local ttl = string.format('%.0f', math.max(1, ends - now))
  redis.call('SET', keys[1], string.format('%.0f', ends), 'PX', ttl)
  return 1
end

redis.register_function(NAME .. '_admit', admit)
redis.register_function(NAME .. '_settle', settle)
redis.register_function(NAME .. '_refund', refund)
redis.register_function(NAME .. '_give_back', give_back_one)
redis.register_function(NAME .. '_enter', enter)
redis.register_function(NAME .. '_attend', attend)
redis.register_function(NAME .. '_beat', beat)
redis.register_function(NAME .. '_peek', peek)
redis.register_function(NAME .. '_claim', claim)
