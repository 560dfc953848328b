#!lua
--@include readable.lua
--@include index.lua
-- 1 epoch, 2 nonce, 3 now, 4 until, 5 skip, 6 max, 7 kind -> due after this step, 8 from
local a=cmsgpack.unpack(ARGV[1])
local t=KEYS[1]
local o=redis.call('HMGET',t..'owner','epoch','nonce')
if o[1]~=a[1] or o[2]~=a[2] then return {'FENCED'} end
local rows=redis.call('ZRANGEBYSCORE',t..'reminders',a[8],a[4],'WITHSCORES','LIMIT',a[5],a[6])
local now,skipped,skipped_until=a[3],0,'0'
local messages={}
for k=1,#rows,2 do
  if string.sub(rows[k],1,1)=='o' then messages[#messages+1]=string.sub(rows[k],3) end
end
local bodies={}
for k=1,#messages,1000 do
  local page=redis.call('HMGET',t..'outbox',unpack(messages,k,math.min(k+999,#messages)))
  for j=1,#page do bodies[#bodies+1]=page[j] end
end
local items,push,gone,nth={},{},{},0
local aside={}
for k=1,#rows,2 do
  local member,kind=rows[k],string.sub(rows[k],1,1)
  local body,take=false,true
  if kind=='o' then
    nth=nth+1
    body=bodies[nth]
  end
  if not readable(member,rows[k+1]) then
    take=false
    gone[#gone+1]=member
    aside[#aside+1]=rows[k+1]
    aside[#aside+1]=member
  elseif kind=='o' then
    if not body then take=false gone[#gone+1]=member end
  elseif kind=='t' and tonumber(rows[k+1])>now then
    take=false
    skipped=skipped+1
    skipped_until=rows[k+1]
  end
  if take then
    local n=#items
    items[n+1],items[n+2],items[n+3]=member,rows[k+1],body
    n=#push
    push[n+1],push[n+2]=a[7][kind],member
  end
end
for k=1,#push,1000 do
  redis.call('ZADD',t..'reminders',unpack(push,k,math.min(k+999,#push)))
end
for k=1,#aside,1000 do
  redis.call('ZADD',t..'quarantine',unpack(aside,k,math.min(k+999,#aside)))
end
for k=1,#gone,1000 do
  redis.call('ZREM',t..'reminders',unpack(gone,k,math.min(k+999,#gone)))
end

-- Instances of a time when there was no index get into it, some with each poll. What
-- happens to them meanwhile indexes them as well, so doing it twice changes nothing.
if redis.call('ZCARD',t..'ids')<redis.call('ZCARD',t..'instances') then
  local page=redis.call('ZSCAN',t..'instances',redis.call('GET',t..'indexing') or '0','COUNT',200)
  for k=1,#page[2],2 do
    local id=page[2][k]
    local m=redis.call('HMGET',t..id..'||metadata','status','created_ms','completed_ms','name','tags')
    if m[1] then index_add(t,id,m[1],m[2],m[3] or '0',facets(m[4],m[5])) end
    redis.call('ZADD',t..'ids',0,id)
  end
  redis.call('SET',t..'indexing',page[1])
end
local first=redis.call('ZRANGE',t..'reminders',0,0,'WITHSCORES')
-- A due time far off may be one that is none; it is looked at when it is due.
local due=string.match(first[2] or '0','^(-?%d+)%.?%d*$') or '0'
return {'OK',items,skipped,due,redis.call('HGETALL',t..'counts'),#aside/2,skipped_until}
