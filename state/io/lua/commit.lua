#!lua
--@include many.lua
-- 1 epoch, 2 nonce, 3 instance, 4 inc, 5 gen, 6 last, 7 id, 8 now, 9 consumed,
-- 10 delivery of the last consumed row, 11 history rows at most, 12 events,
-- 13 pending done, 14 pending added as op, value, offset, …, 15 reminders removed,
-- 16 reminders added as due, member, …, 17 messages as id, body, …,
-- 18 message reminders as due, member, …, 19 carried inbox rows,
-- 20 metadata set as field, value, …, 21 metadata fields removed, 22 status,
-- 23 terminal, 24 custom status: nil as it is, false none, 25 wake at or nil,
-- 26 wake when rows remain
local a=cmsgpack.unpack(ARGV[1])
local t=KEYS[1]
local call,format=redis.call,string.format
local o=call('HMGET',t..'owner','epoch','nonce')
if o[1]~=a[1] or o[2]~=a[2] then return {'FENCED'} end
local id=a[3]
local i=t..id..'||'
local meta=i..'metadata'
local m=call('HMGET',meta,'inc','gen','last','turn','history_count','history_size','inbox_head',
  'inbox_tail','status','wake','reminders')
if not m[1] then return {'NOT_FOUND'} end
if m[3]==a[7] then return {'OK',m[7],m[8]} end
local was=m[9]
if m[1]~=a[4] or m[2]~=a[5] or m[3]~=a[6]
  or was=='1' or was=='3' or was=='4' or was=='5' then return {'CONFLICT'} end
local head,tail,consumed=tonumber(m[7]),tonumber(m[8]),a[9]
if consumed<head or consumed>tail then return {'CONFLICT'} end
if consumed>head and call('GETRANGE',i..format('inbox-%06d',consumed-1),0,15)~=a[10] then
  return {'CONFLICT'}
end
local count,events=tonumber(m[5]),a[12]
if count+#events>a[11] then return {'TOO_LARGE'} end
local carry,terminal=a[19],a[23]
local moved={}
if #carry>0 then
  for n=consumed,tail-1 do
    local key=i..format('inbox-%06d',n)
    if call('EXISTS',key)==0 then return {'CORRUPT',key} end
    moved[#moved+1]=key
  end
end
-- Every check has passed. From here on only writes, none of which can fail, and the
-- metadata comes last.
local size,wake,reminders=tonumber(m[6]),m[10],tonumber(m[11])
local set=a[20]
local function put(field,value)
  local n=#set
  set[n+1],set[n+2]=field,value
end

if #events>0 then
  local history,rows=i..m[2]..'||history-',{}
  for k=1,#events do
    rows[2*k-1],rows[2*k]=history..format('%06d',count),events[k]
    count,size=count+1,size+#events[k]
  end
  if #rows<1000 then call('MSET',unpack(rows)) else many('MSET',rows) end
  put('history_count',count)
  put('history_size',size)
end

local gone={}
for n=head,consumed-1 do gone[#gone+1]=i..format('inbox-%06d',n) end
if #carry>0 then
  for n=0,count-1 do gone[#gone+1]=i..m[2]..format('||history-%06d',n) end
  gone[#gone+1]=i..'pending'
  local rows=0
  for k=1,#carry do call('SET',i..format('inbox-%06d',tail+rows),carry[k]) rows=rows+1 end
  for k=1,#moved do call('RENAME',moved[k],i..format('inbox-%06d',tail+rows)) rows=rows+1 end
  consumed,tail=tail,tail+rows
  put('gen',tonumber(m[2])+1)
  put('history_count',0)
  put('history_size',0)
end
if terminal then
  for n=consumed,tail-1 do gone[#gone+1]=i..format('inbox-%06d',n) end
  gone[#gone+1]=i..'pending'
  gone[#gone+1]=i..'seen'
  consumed=tail
  put('completed_ms',a[8])
end
if #gone>0 then many('UNLINK',gone) end
if consumed~=head then put('inbox_head',consumed) end
if tail~=tonumber(m[8]) then put('inbox_tail',tail) end

if not terminal then
  local done,added=a[13],a[14]
  if #done>0 then many('HDEL',done,i..'pending') end
  if #added>0 then
    local first,rows=tonumber(m[5]),{}
    for k=1,#added,3 do
      rows[#rows+1]=added[k]
      rows[#rows+1]=added[k+1]..(first+added[k+2])
    end
    many('HSET',rows,i..'pending')
  end
end

-- The count of leases and timers tells purge whether it must look for any.
local removed,added=a[15],a[16]
local before=reminders
if #removed>0 then
  for k=1,#removed,1000 do
    reminders=reminders-call('ZREM',t..'reminders',unpack(removed,k,math.min(k+999,#removed)))
  end
end
if #added>0 then
  for k=1,#added,1000 do
    reminders=reminders+call('ZADD',t..'reminders',unpack(added,k,math.min(k+999,#added)))
  end
end
if reminders~=before then put('reminders',reminders) end
if #a[17]>0 then
  many('HSET',a[17],t..'outbox')
  many('ZADD',a[18],t..'reminders')
end

local due=a[25] or consumed<tail and a[26]
if due then
  call('ZADD',t..'reminders',due,'w|'..id..'|'..m[1]..'|0|-|-')
  if wake~='1' then put('wake',1) end
elseif wake=='1' then
  call('ZREM',t..'reminders','w|'..id..'|'..m[1]..'|0|-|-')
  put('wake',0)
end
if a[24] then
  call('SET',i..'customStatus',a[24])
elseif a[24]==false then
  call('UNLINK',i..'customStatus')
end
if was~=a[22] then
  call('HINCRBY',t..'counts',was,-1)
  call('HINCRBY',t..'counts',a[22],1)
  put('status',a[22])
end
if #a[21]>0 then call('HDEL',meta,unpack(a[21])) end
local turn=tonumber(m[4])+1
if turn==1 then put('started_ms',a[8]) end
call('HSET',meta,'last',a[7],'turn',turn,'updated_ms',a[8],unpack(set))
return {'OK',consumed,tail}
