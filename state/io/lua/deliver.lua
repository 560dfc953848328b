#!lua
--@include many.lua
--@include index.lua
--@include change.lua
-- 1 instance, 2 op or nil: an external input, 3 inc, 4 gen, 5 nonce, 6 timer's reminder
-- or nil, 7 request id, 8 inbox row, 9 now, 10 inbox rows at most, 11 request ids at most,
-- 12 request ids since, 13 last commit of the failed instance that is rewound or nil,
-- 14 delivery, 15 change log entries at most
local a=cmsgpack.unpack(ARGV[1])
local t=KEYS[1]
local i=t..a[1]..'||'
local meta=i..'metadata'
local m=redis.call('HMGET',meta,'inc','gen','status','inbox_head','inbox_tail','wake','reminders',
  'last','history_count','name','tags','created_ms','turn')
if not m[1] then return {'NOT_FOUND'} end
local s=m[3]
local ended=s=='1' or s=='3' or s=='4' or s=='5'
local index
if a[2] then
  if ended then return {'TERMINAL'} end
  if m[1]~=a[3] or m[2]~=a[4] then return {'CONFLICT'} end
  local p=redis.call('HGET',i..'pending',a[2])
  if not p or string.sub(p,3,18)~=a[5] then return {'CONFLICT'} end
  if string.sub(p,1,1)=='2' then return {'DUPLICATE'} end
  index=string.sub(p,19)
else
  local at=redis.call('ZSCORE',i..'seen',a[7])
  if at and tonumber(at)>=tonumber(a[12]) then return {'DUPLICATE'} end
  if a[13] then
    if s~='3' or m[8]~=a[13] then return {'CONFLICT'} end
  elseif ended then
    return {'TERMINAL'}
  end
end
local tail=tonumber(m[5])
if tail-tonumber(m[4])>=a[10] then return {'BUSY'} end
if not a[2] and redis.call('ZCOUNT',i..'seen',a[12],'+inf')>=a[11] then return {'BUSY'} end
-- Every check has passed: writes only.
redis.call('SET',i..string.format('inbox-%06d',tail),a[8])
local set={'inbox_tail',tail+1}
if m[6]~='1' then set[3],set[4]='wake',1 end
if a[2] then
  redis.call('HSET',i..'pending',a[2],'2:'..a[5]..index)
  if a[6] and redis.call('ZREM',t..'reminders',a[6])==1 then
    set[#set+1]='reminders'
    set[#set+1]=tonumber(m[7])-1
  end
else
  redis.call('ZREMRANGEBYSCORE',i..'seen','-inf','('..a[12])
  redis.call('ZADD',i..'seen',a[9],a[7])
end
if a[13] then
  local gone,f={},facets(m[10],m[11])
  for n=0,tonumber(m[9])-1 do gone[#gone+1]=i..m[2]..string.format('||history-%06d',n) end
  many('UNLINK',gone)
  index_remove(t,a[1],'3',f)
  index_add(t,a[1],'0',m[12],'0',f)
  redis.call('HINCRBY',t..'counts','3',-1)
  redis.call('HINCRBY',t..'counts','0',1)
  redis.call('HDEL',meta,'output','failure')
  redis.call('HSET',meta,'status','0','history_count','0','history_size','0',
    'completed_ms','0','updated_ms',a[9],'last',a[14])
  change_add(t,a[15],a[9],2,'0',m[2],m[13],m[1],a[1],m[10])
end
redis.call('ZADD',t..'reminders','LT',a[9],'w|'..a[1]..'|'..m[1]..'|0|-|-')
redis.call('HSET',meta,unpack(set))
return {'OK',tail}
