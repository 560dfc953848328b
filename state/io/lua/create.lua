#!lua
--@include many.lua
--@include fields.lua
--@include index.lua
--@include remove.lua
--@include change.lua
-- 1 instance, 2 inc, 3 request id or nil, 4 parent key or nil, 5 parent or nil, 6 replace an ended one,
-- 7 inbox row, 8 created, 9 due, 10 metadata as field, value, …, 11 what is replaced is
-- remembered until or nil: not at all, 12 remembered at most, 13 name or nil, 14 tags or nil,
-- 15 change log entries at most, 16 rebind an ended child, 17 rebind for a request that is remembered,
-- 18 a refusal is remembered
local t=KEYS[1]
local a=cmsgpack.unpack(ARGV[1])
local id=a[1]
local i=t..id..'||'
local meta=i..'metadata'
local m=redis.call('HMGET',meta,'inc','gen','history_count','inbox_head','inbox_tail','status',
  'reminders','request_id','name','tags','parent_key','parent')
local gen=1
local answer
local function put(key,field,value)
  if value then redis.call('HSET',key,field,value) else redis.call('HDEL',key,field) end
end
local s=m[6]
local ended=s=='1' or s=='3' or s=='4' or s=='5'
local own=m[1] and (m[8] or nil)==a[3]
local child=m[1] and a[4] and m[11]==a[4]
local rebind=child and (not ended or a[16] or (m[12] or nil)==a[5])
local function refuse()
  remember(t,id,a[3],a[11],a[8],a[12],'!')
  if not m[1] then return {'EXISTS'} end
  return {'EXISTS',redis.call('HMGET',meta,unpack(fields))}
end
if own then answer='DUPLICATE' end
if a[3] and a[18] and not own then
  local till=redis.call('ZSCORE',t..'tombs','!'..#id..'|'..id..a[3])
  if till and tonumber(till)>tonumber(a[8]) then return refuse() end
end
if a[3] and not own and not (rebind and a[17]) then
  local till=redis.call('ZSCORE',t..'tombs',#id..'|'..id..a[3])
  if till and tonumber(till)>tonumber(a[8]) then
    if not child then return {'TERMINAL'} end
    answer='DUPLICATE'
    rebind=false
  end
end
if m[1] then
  if rebind then
    put(meta,'parent',a[5])
    if not own then
      remember(t,id,m[8],a[11],a[8],a[12])
      put(meta,'request_id',a[3])
    end
    answer='DUPLICATE'
  end
  if not answer and not (ended and a[6]) then
    if a[18] then return refuse() end
    answer='EXISTS'
  end
  if answer then return {answer,redis.call('HMGET',meta,unpack(fields))} end
  gen=tonumber(m[2])+1
  remember(t,id,m[8],a[11],a[8],a[12])
  remove(t,id,m)
end
redis.call('SET',i..'inbox-000000',a[7])
redis.call('HSET',meta,'gen',gen,unpack(a[10]))
redis.call('ZADD',t..'instances',a[8],id)
redis.call('ZADD',t..'ids',0,id)
index_add(t,id,'6',a[8],'0',facets(a[13],a[14]))
redis.call('ZADD',t..'reminders',a[9],'w|'..id..'|'..a[2]..'|0|-|-')
redis.call('HINCRBY',t..'counts','6',1)
change_add(t,a[15],a[8],1,'6',gen,'0',a[2],id,a[13])
return {'OK',redis.call('HMGET',meta,unpack(fields))}
