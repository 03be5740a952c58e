-- registry.lua: the registry's questions, each a script that Redis runs as one step. The schema and the rules are in registry.h; what C asks
-- and how it reads the answers is in registry.c; tests/cluster/sim/model.c says the same in C, and a test proves them equal.
--
-- Everything up to the first line "-- @" comes before each script, after "local P = '<prefix of the keys>'". An answer is {code, ...}.
-- The 64-bit numbers (hlc, sid) are 13 digits of base 32, so that they compare as text: Lua has doubles only.
-- KEYS[1] is what a script is about; the other keys that it touches are made here, so Redis Cluster is out of the question.

local call, match = redis.call, string.match
local OK, NOT_FOUND, EXISTS, LIMIT, DENIED = 0, 1, 2, 3, 4
local NODES, DEAD, EPOCH, YOUNG, HEARD = P .. 'c:nodes', P .. 'c:dead', P .. 'c:epoch', P .. 'c:young', P .. 'c:heard'

local function dead(epoch) return call('ZSCORE', DEAD, epoch) end
local function lease(epoch) return P .. 'c:lease:' .. epoch end
local function leased(epoch) return call('EXISTS', lease(epoch)) == 1 end
-- Empty less than a lease ago, or away until just now: who has no lease may just not have been here yet.
local function young() return call('EXISTS', HEARD) == 0 or call('EXISTS', YOUNG) == 1 end
-- Somebody has a lease from now on. Where nobody was heard all are expected back.
local function hear()
	if call('EXISTS', HEARD) == 0 then call('SET', YOUNG, '1', 'PX', 3000, 'NX') end
	call('SET', HEARD, '1', 'PX', 4000)
end
local function gone(epoch) return dead(epoch) or (not leased(epoch) and not young()) end
-- Who asks lives. While Redis was away its lease has ended, and what it is granted now, before it has renewed that, would be anybody's.
local function revive(epoch)
	if not leased(epoch) and call('HEXISTS', NODES, epoch) == 1 then call('SET', lease(epoch), '1', 'PX', 8000) end
end

local function owner(value) return match(value, '^%d+') end
-- bucket: "<0..63>:<0..255>". So small that Redis keeps each as one run of bytes: a quarter of what a member of a large set takes.
local function index(epoch, bucket) return P .. 'n:' .. epoch .. ':' .. bucket end
local function index_add(epoch, bucket, member) call('HSET', index(epoch, bucket), member, '') end
local function index_del(epoch, bucket, member) call('HDEL', index(epoch, bucket), member) end
-- Nothing of this account is the incarnation's any more: then its index forgets it.
local function unindex(key, epoch, bucket, bare)
	for _, value in ipairs(call('HVALS', key)) do
		if owner(value) == epoch then return end
	end
	index_del(epoch, bucket, bare)
end

local function now_ms()
	local t = call('TIME')
	return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function log(event, epoch, name) call('XADD', P .. 'c:log', 'MAXLEN', '~', '10000', '*', 'event', event, 'epoch', epoch, 'name', name) end
local function set_state(epoch, state)
	local json = call('HGET', NODES, epoch)
	if not json then return '' end
	local node = cjson.decode(json)
	node.state = tonumber(state)
	call('HSET', NODES, epoch, cjson.encode(node))
	return node.name
end
-- Appends to the answer, for each node: epoch, JSON, ms of its lease, is it dead.
local function add_nodes(answer)
	local all = call('HGETALL', NODES)
	for i = 1, #all, 2 do
		local left = call('PTTL', lease(all[i]))
		answer[#answer + 1] = all[i]
		answer[#answer + 1] = all[i + 1]
		answer[#answer + 1] = left > 0 and left or 0
		answer[#answer + 1] = dead(all[i]) and 1 or 0
	end
	return answer
end
-- Nobody has the place any more. What was frozen there before may still be on its way somewhere, and whoever claims it with that is told.
local function was(member) return P .. 'r:0:' .. string.sub(member, 3) end
local function place_end(member, fence)
	call('DEL', P .. member)
	call('SET', was(member), fence, 'PX', 600000)
end
local function place_set(member, bucket, epoch, fence, after)
	call('HSET', P .. member, 'epoch', epoch, 'fence', fence, 'after', after)
	call('DEL', was(member))
	index_add(epoch, bucket, member)
end
local function bury(epoch, state, event)
	call('ZADD', DEAD, now_ms(), epoch)
	call('DEL', lease(epoch))
	log(event, epoch, set_state(epoch, state))
end

-- @join epoch id fence token lease name addr version workers min max state max_nodes
local again, id, fence, token, name = ARGV[1] ~= '0', tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[6]
local epoch, now = ARGV[1], now_ms()
if again and dead(epoch) then return {DENIED} end
-- The dead of a day ago, and those past the 64 newest, are forgotten; the former by c:dead as well.
local all, ids, old, n = call('HGETALL', NODES), {}, {}, 0
local found
for i = 1, #all, 2 do
	local e, node, score = all[i], cjson.decode(all[i + 1]), dead(all[i])
	if score then
		old[#old + 1] = { tonumber(e), tonumber(score) }
	else
		if not again and node.token == token and token ~= '' then found, id = e, node.id end
		if e ~= epoch then ids[node.id] = true end
		if leased(e) then n = n + 1 end
	end
end
if not again and not found and n >= tonumber(ARGV[13]) then return {LIMIT} end
table.sort(old, function(a, b) return a[1] > b[1] end)
for i, e in ipairs(old) do
	if i > 64 or e[2] <= now - 86400000 then call('HDEL', NODES, e[1]) end
end
call('ZREMRANGEBYSCORE', DEAD, '-inf', now - 86400000)
local last = call('GET', EPOCH)
if not last then call('SET', YOUNG, '1', 'PX', ARGV[5]) end
hear()
last = tonumber(last or '0')
if found then
	epoch = found
elseif again then
	if id == 0 or ids[id] then
		id = 1
		while ids[id] do id = id + 1 end
	end
	if last < tonumber(epoch) then call('SET', EPOCH, epoch) end
else
	id = 1
	while ids[id] do id = id + 1 end
	-- Seconds since 2026: an emptied Redis does not begin with numbers that are in use, unless as many nodes came as seconds went by.
	epoch = string.format('%.0f', math.max(last, fence, math.floor(now / 1000) - 1767225600) + 1)
	call('SET', EPOCH, epoch)
end
call('HSET', NODES, epoch, cjson.encode({ id = id, name = name, addr = ARGV[7], version = ARGV[8], workers = tonumber(ARGV[9]),
	min = tonumber(ARGV[10]), max = tonumber(ARGV[11]), state = tonumber(ARGV[12]), token = token }))
call('SET', lease(epoch), '1', 'PX', ARGV[5])
if not found then log(again and 'again' or 'join', epoch, name) end
return add_nodes({OK, epoch, id})

-- @renew epoch lease
if dead(ARGV[1]) then return {DENIED} end
if call('HEXISTS', NODES, ARGV[1]) == 0 then return {NOT_FOUND} end
hear()
call('SET', lease(ARGV[1]), '1', 'PX', ARGV[2])
return {OK}

-- @nodes
return add_nodes({OK})

-- @state epoch state
if dead(ARGV[1]) then return {DENIED} end
if call('HEXISTS', NODES, ARGV[1]) == 0 then return {NOT_FOUND} end
set_state(ARGV[1], ARGV[2])
return {OK}

-- @fence epoch votes refused state
local epoch = ARGV[1]
if dead(epoch) then return {EXISTS} end
if young() then return {DENIED} end
if leased(epoch) then
	if ARGV[3] ~= '1' then return {DENIED} end
	local live = 0
	for _, e in ipairs(call('HKEYS', NODES)) do
		if leased(e) then live = live + 1 end
	end
	if tonumber(ARGV[2]) * 2 <= live then return {DENIED} end
end
bury(epoch, ARGV[4], 'fence')
return {OK}

-- @leave epoch state
if not dead(ARGV[1]) then bury(ARGV[1], ARGV[2], 'leave') end
return {OK}

-- @home-claim bare bucket epoch hlc replay
local key, bare, bucket, epoch, hlc = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if dead(epoch) then return {DENIED} end
revive(epoch)
local home, holder, since = call('HGET', key, '')
if home then
	holder, since = match(home, '^(%d+)|(%w+)$')
	local smaller = hlc < since or (hlc == since and tonumber(epoch) < tonumber(holder))
	if holder ~= epoch and not (ARGV[5] == '1' and smaller) and not gone(holder) then return {OK, holder, since} end
end
call('HSET', key, '', epoch .. '|' .. hlc)
index_add(epoch, bucket, bare)
if holder and holder ~= epoch then unindex(key, holder, bucket, bare) end
return {OK, epoch, hlc}

-- @home-release bare bucket epoch
local key, epoch = KEYS[1], ARGV[3]
local home = call('HGET', key, '')
if not home then return {OK} end
if owner(home) ~= epoch then return {DENIED} end
call('HDEL', key, '')
unindex(key, epoch, ARGV[2], ARGV[1])
return {OK}

-- @bind bare bucket resource epoch edge sid hlc priority flags limit
local key, bare, bucket, resource, epoch, sid, hlc = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[6], ARGV[7]
if dead(epoch) then return {DENIED} end
local values = call('HMGET', key, '', resource)
local home, row, before = values[1] and owner(values[1]), values[2]
if row then
	local its_sid, its_hlc
	before, its_sid, its_hlc = match(row, '^(%d+)|%d*|(%w+)|(%w+)')
	if (its_hlc > hlc or (its_hlc == hlc and its_sid > sid)) and not dead(before) then return {EXISTS} end
elseif ARGV[10] ~= '0' and call('HLEN', key) - (home and 1 or 0) >= tonumber(ARGV[10]) then
	return {LIMIT}
end
call('HSET', key, resource, epoch .. '|' .. ARGV[5] .. '|' .. sid .. '|' .. hlc .. '|' .. ARGV[8] .. '|' .. ARGV[9])
if home ~= epoch then index_add(epoch, bucket, bare) end
if before and before ~= epoch and before ~= home then unindex(key, before, bucket, bare) end
return {OK}

-- @update resource sid priority flags
local row = call('HGET', KEYS[1], ARGV[1])
if not row then return {NOT_FOUND} end
local head, sid = match(row, '^(%d+|%d*|(%w+)|%w+|)')
if sid ~= ARGV[2] then return {DENIED} end
call('HSET', KEYS[1], ARGV[1], head .. ARGV[3] .. '|' .. ARGV[4])
return {OK}

-- @unbind bare bucket resource sid
local key = KEYS[1]
local values = call('HMGET', key, '', ARGV[3])
if not values[2] then return {OK} end
local epoch, sid = match(values[2], '^(%d+)|%d*|(%w+)')
if sid ~= ARGV[4] then return {DENIED} end
call('HDEL', key, ARGV[3])
if not values[1] or owner(values[1]) ~= epoch then unindex(key, epoch, ARGV[2], ARGV[1]) end
return {OK}

-- @purge epoch bucket limit
local epoch, bucket, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
if not dead(epoch) then return {DENIED} end
local answer, n = {OK, 0}, 0
local function purge_account(bare)
	local key, fields = P .. 's:{' .. bare .. '}', {}
	local all = call('HGETALL', key)
	for i = 1, #all, 2 do
		if owner(all[i + 1]) == epoch then
			fields[#fields + 1] = all[i]
			answer[#answer + 1] = bare
			answer[#answer + 1] = all[i]
			answer[#answer + 1] = all[i] == '' and '0' or match(all[i + 1], '%d+$')
			answer[#answer + 1] = all[i] == '' and '' or match(all[i + 1], '^%d+|(%d*)')
		end
	end
	if #fields > 0 then call('HDEL', key, unpack(fields)) end
end
for small = 0, 255 do
	local key = index(epoch, bucket .. ':' .. small)
	local members = call('HKEYS', key)
	if #members > 0 and n >= limit then
		answer[2] = 1
		break
	end
	for _, member in ipairs(members) do
		if string.sub(member, 1, 3) ~= 'r:{' then
			purge_account(member)
		else
			local place = call('HMGET', P .. member, 'epoch', 'fence')
			if place[1] == epoch then place_end(member, place[2]) end
		end
	end
	n = n + #members
	call('DEL', key)
end
return answer

-- @place-claim member bucket epoch fence
local key, member, bucket, epoch, known = KEYS[1], ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
if dead(epoch) then return {DENIED} end
revive(epoch)
local place = call('HMGET', key, 'epoch', 'fence', 'after')
local holder, fence, after = place[1], place[2], place[3] or '0'
if holder and holder ~= epoch and not gone(holder) then return {OK, holder, fence, '0'} end
if not holder then fence = call('GET', was(member)) or '0' end
if holder ~= epoch then after = fence end -- else it asks again, as it has not heard the answer
fence = string.format('%.0f', math.max(now_ms(), tonumber(fence) + 1, known + 1))
if holder and holder ~= epoch then index_del(holder, bucket, member) end
place_set(member, bucket, epoch, fence, after)
return {OK, epoch, fence, after}

-- @place-renew member bucket epoch fence
local key, epoch, fence = KEYS[1], ARGV[3], ARGV[4]
if dead(epoch) then return {DENIED} end
revive(epoch)
local place = call('HMGET', key, 'epoch', 'fence')
if place[1] and (place[1] ~= epoch or place[2] ~= fence) then return {DENIED} end
if not place[1] then
	if tonumber(call('GET', was(ARGV[1])) or '0') > tonumber(fence) then return {DENIED} end
	place_set(ARGV[1], ARGV[2], epoch, fence, '0')
end
return {OK}

-- @place-release member bucket epoch fence heir
local key, epoch, heir = KEYS[1], ARGV[3], ARGV[5]
local place = call('HMGET', key, 'epoch', 'fence')
if not place[1] then return {OK} end
if place[1] ~= epoch or place[2] ~= ARGV[4] then return {DENIED} end
if heir == epoch then return {OK} end
index_del(epoch, ARGV[2], ARGV[1])
if heir == '0' then
	place_end(ARGV[1], place[2])
else
	place_set(ARGV[1], ARGV[2], heir, place[2], place[2])
end
return {OK}
