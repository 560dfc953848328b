#!lua
-- 1 op (take or release), 2 holder, 3 address, 4 ttl; state/mem_lease.c is the readable version
local key,op,holder,address,ttl=KEYS[1],ARGV[1],ARGV[2],ARGV[3],tonumber(ARGV[4])
local l=redis.call('HMGET',key,'epoch','holder','address','until')
local epoch,till=tonumber(l[1] or 0),tonumber(l[4] or 0)
local mine=l[2]==holder
if op=='release' then
  if not mine then return {'CONFLICT'} end
  redis.call('HSET',key,'until',0)
  return {'OK'}
end
local t=redis.call('TIME')
local now=tonumber(t[1])*1000+math.floor(tonumber(t[2])/1000)
-- A clock that was set back must not keep a dead holder in place.
if till>now+ttl then till=now+ttl end
if till>now and not mine then
  redis.call('HSET',key,'until',string.format('%.0f',till))
  return {'CONFLICT',epoch,l[2],l[3],till-now}
end
if till<=now then epoch=math.max(epoch+1,tonumber(t[1])-1577836800) end
redis.call('HSET',key,'epoch',epoch,'holder',holder,'address',address,
  'until',string.format('%.0f',now+ttl))
return {'OK',epoch}
