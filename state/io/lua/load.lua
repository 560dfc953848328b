#!lua flags=no-writes
--@include fields.lua
-- 1 epoch or nil: not fenced, 2 nonce, 3 instance, 4 want pending, 5 inbox, 6 history,
-- 7 payloads, 8 gen or nil: the present one, 9 history from, 10 rows at most, 11 bytes
local a=cmsgpack.unpack(ARGV[1])
local t=KEYS[1]
if a[1] then
  local o=redis.call('HMGET',t..'owner','epoch','nonce')
  if o[1]~=a[1] or o[2]~=a[2] then return {'FENCED'} end
end
local i=t..a[3]..'||'
local m=redis.call('HMGET',i..'metadata',unpack(fields))
if not m[1] then return {'NOT_FOUND'} end
local history=i..m[2]..'||history-'
local count=tonumber(m[5])

-- Rows by key; the name of the first one that is not there as second result.
local function rows(keys)
  local found={}
  for k=1,#keys,1000 do
    local page=redis.call('MGET',unpack(keys,k,math.min(k+999,#keys)))
    for j=1,#page do
      if not page[j] then return found,keys[k+j-1] end
      found[#found+1]=page[j]
    end
  end
  return found
end

local payloads,pending,events,inbox,page={},{},{},{},{}
local missing
if a[7] then payloads=redis.call('HMGET',i..'metadata','input','output','failure') end
if a[4] then
  pending=redis.call('HGETALL',i..'pending')
  local keys={}
  for k=2,#pending,2 do
    local n=tonumber(string.match(pending[k],':(%d+)$') or -1)
    if n<0 then return {'CORRUPT',i..'pending'} end
    if n<count then keys[#keys+1]=history..string.format('%06d',n) end
  end
  local found
  found,missing=rows(keys)
  if missing then return {'CORRUPT',missing} end
  local next=1
  for k=2,#pending,2 do
    local there=tonumber(string.match(pending[k],':(%d+)$'))<count
    events[k/2]=there and found[next]
    if there then next=next+1 end
  end
end
if a[5] then
  local keys={}
  for n=tonumber(m[7]),tonumber(m[8])-1 do keys[#keys+1]=i..string.format('inbox-%06d',n) end
  inbox,missing=rows(keys)
  if missing then return {'CORRUPT',missing} end
end
if a[6] and (not a[8] or a[8]==m[2]) then
  local from,last,size=a[9],math.min(count,a[9]+a[10])-1,0
  while from<=last do
    local keys={}
    for n=from,math.min(from+63,last) do keys[#keys+1]=history..string.format('%06d',n) end
    local found
    found,missing=rows(keys)
    if missing then return {'CORRUPT',missing} end
    for k=1,#found do
      page[#page+1]=found[k]
      size=size+#found[k]
      if size>=a[11] then last=-1 break end
    end
    from=from+64
  end
end
return {'OK',m,redis.call('GET',i..'customStatus'),payloads,pending,events,inbox,page,
  a[4] and redis.call('HGET',i..'metadata','attempts')}
