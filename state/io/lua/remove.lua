-- Leases and timers of an instance that are still there. They are counted in its
-- metadata, so the scan happens only for an instance that did not clean up itself.
local function reminders_of(t,id,inc)
  local found,from={},0
  local middle='|'..id..'|'..inc..'|'
  repeat
    local page=redis.call('ZRANGE',t..'reminders',from,from+999)
    for _,r in ipairs(page) do
      if string.sub(r,2,1+#middle)==middle
        and string.find(r,'^%d+|[^|]*|[^|]*$',2+#middle) then found[#found+1]=r end
    end
    from=from+#page
  until #page==0
  return found
end

-- Every row of an instance. `m`: inc gen history_count inbox_head inbox_tail status
-- reminders request_id name tags.
local function remove(t,id,m)
  local i=t..id..'||'
  local keys={i..'metadata',i..'customStatus',i..'pending',i..'seen'}
  for n=tonumber(m[4]),tonumber(m[5])-1 do keys[#keys+1]=i..string.format('inbox-%06d',n) end
  local history=i..m[2]..'||history-'
  for n=0,tonumber(m[3])-1 do keys[#keys+1]=history..string.format('%06d',n) end
  local left={}
  if m[7] and tonumber(m[7])>0 then left=reminders_of(t,id,m[1]) end
  left[#left+1]='w|'..id..'|'..m[1]..'|0|-|-'
  many('ZREM',left,t..'reminders')
  redis.call('ZREM',t..'instances',id)
  redis.call('ZREM',t..'ids',id)
  index_remove(t,id,m[6],facets(m[9],m[10]))
  redis.call('HINCRBY',t..'counts',m[6],-1)
  many('UNLINK',keys)
end

-- A late repetition of the request that made the instance must not make it again.
-- `untilms` nil: nothing is left behind.
local function remember(t,id,request,untilms,now,most,kind)
  if not (request and untilms) then return end
  local tombs=t..'tombs'
  redis.call('ZREMRANGEBYSCORE',tombs,'-inf',now)
  redis.call('ZADD',tombs,untilms,(kind or '')..#id..'|'..id..request)
  redis.call('ZREMRANGEBYRANK',tombs,0,-most-1)
end
