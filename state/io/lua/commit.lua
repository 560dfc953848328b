#!lua
--@include many.lua
--@include index.lua
--@include change.lua
-- 1 epoch, 2 nonce, 3 instance, 4 inc, 5 gen, 6 last, 7 id, 8 now, 9 consumed,
-- 10 deliveries of the consumed rows in one, 11 history rows at most, 12 events,
-- 13 pending done, 14 pending added as op, value, offset, …, 15 reminders removed,
-- 16 reminders added as due, member, …, 17 messages as id, body, …,
-- 18 message reminders as due, member, …, 19 carried inbox rows,
-- 20 metadata set as field, value, …, 21 metadata fields removed, 22 status,
-- 23 terminal, 24 custom status: nil as it is, false none, 25 wake at or nil,
-- 26 wake at the latest when rows remain, 27 keep the wake-up, 28 change log entries at
-- most, 29 size of a custom status that is in it, 30 started, 31 updated and 32 completed
-- at, nil: now. Empty lists are nil.
local call,format=redis.call,string.format
local a=cmsgpack.unpack(ARGV[1])
local t=KEYS[1]
local o=call('HMGET',t..'owner','epoch','nonce')
if o[1]~=a[1] or o[2]~=a[2] then return {'FENCED'} end
local id=a[3]
local i=t..id..'||'
local meta=i..'metadata'
local m=call('HMGET',meta,'inc','gen','last','turn','history_count','history_size','inbox_head',
  'inbox_tail','status','wake')
if not m[1] then return {'NOT_FOUND'} end
if m[3]==a[7] then return {'OK',m[7],m[8]} end
local was=m[9]
if m[1]~=a[4] or m[2]~=a[5] or m[3]~=a[6]
  or was=='1' or was=='3' or was=='4' or was=='5' then return {'CONFLICT'} end
local head,tail,consumed=tonumber(m[7]),tonumber(m[8]),a[9]
if consumed<head or consumed>tail then return {'CONFLICT'} end
if #a[10]~=16*(consumed-head) then return {'CONFLICT'} end
for n=head,consumed-1 do
  local k=16*(n-head)
  if call('GETRANGE',i..format('inbox-%06d',n),0,15)~=string.sub(a[10],k+1,k+16) then
    return {'CONFLICT'}
  end
end
local first,events=tonumber(m[5]),a[12]
local count=first+(events and #events or 0)
if count>a[11] then return {'TOO_LARGE'} end
local carry,terminal=a[19],a[23]
local moved
if carry then
  moved={}
  for n=consumed,tail-1 do
    local key=i..format('inbox-%06d',n)
    if call('EXISTS',key)==0 then return {'CORRUPT',key} end
    moved[#moved+1]=key
  end
end

-- Some workers send their custom status with every turn.
local custom=a[24]
local recustom=custom~=nil and call('GET',i..'customStatus')~=custom

-- A plain turn moves nothing in the index and is no news for the change log.
local index,name
local what=(was~=a[22] and 2 or 0)+(recustom and 4 or 0)+(carry and 8 or 0)
if what~=0 then
  local x=call('HMGET',meta,'name','tags','created_ms')
  name=x[1]
  if carry then name=a[20] and a[20][1]=='name' and a[20][2] or false end
  if was~=a[22] or name~=x[1] then
    index={facets(x[1],x[2]),facets(name,x[2]),x[3]}
  end
end

-- Every check has passed. From here on only writes, none of which can fail, and the
-- metadata comes last. Numbers become text by format: Redis prints a Lua number as a
-- double, which takes several times as long.
local set=a[20] or {}
local n=#set
if events then
  local history,rows,size=i..m[2]..'||history-',{},tonumber(m[6])
  for k=1,#events do
    local event=events[k]
    rows[2*k-1],rows[2*k]=format('%s%06d',history,first+k-1),event
    size=size+#event
  end
  if #rows<1000 then call('MSET',unpack(rows)) else many('MSET',rows) end
  set[n+1],set[n+2],set[n+3],set[n+4]='history_count',format('%d',count),
    'history_size',format('%d',size)
  n=n+4
end

if consumed>head or carry or terminal then
  local gone={}
  for k=head,consumed-1 do gone[#gone+1]=i..format('inbox-%06d',k) end
  if carry then
    for k=0,count-1 do gone[#gone+1]=i..m[2]..format('||history-%06d',k) end
    gone[#gone+1]=i..'pending'
    local to=tail
    for k=1,#carry do call('SET',i..format('inbox-%06d',to),carry[k]) to=to+1 end
    for k=1,#moved do call('RENAME',moved[k],i..format('inbox-%06d',to)) to=to+1 end
    consumed,tail=tail,to
    set[n+1],set[n+2],set[n+3],set[n+4]='gen',tonumber(m[2])+1,'inbox_tail',tail
    set[n+5],set[n+6],set[n+7],set[n+8]='history_count',0,'history_size',0
    n=n+8
  end
  if terminal then
    for k=consumed,tail-1 do gone[#gone+1]=i..format('inbox-%06d',k) end
    gone[#gone+1]=i..'pending'
    consumed=tail
    set[n+1],set[n+2]='completed_ms',a[32] or a[8]
    n=n+2
  end
  many('UNLINK',gone)
  set[n+1],set[n+2]='inbox_head',consumed
  n=n+2
end

local done,added=a[13],a[14]
if not terminal and (done or added) then
  local pending=i..'pending'
  if done then
    if #done<1000 then call('HDEL',pending,unpack(done)) else many('HDEL',done,pending) end
  end
  if added then
    local rows,k=added,1
    for j=1,#added,3 do
      rows[k],rows[k+1]=added[j],format('%s%d',added[j+1],first+added[j+2])
      k=k+2
    end
    for j=k,#added do rows[j]=nil end
    if #rows<1000 then call('HSET',pending,unpack(rows)) else many('HSET',rows,pending) end
  end
end

-- The count of leases and timers tells purge whether it must look for any.
local reminders,change=t..'reminders',0
local gone,put=a[15],a[16]
if gone then
  for k=1,#gone,1000 do
    change=change-call('ZREM',reminders,unpack(gone,k,math.min(k+999,#gone)))
  end
end
if put then
  for k=1,#put,1000 do
    change=change+call('ZADD',reminders,unpack(put,k,math.min(k+999,#put)))
  end
end
if change~=0 then call('HINCRBY',meta,'reminders',change) end
if a[17] then
  many('HSET',a[17],t..'outbox')
  many('ZADD',a[18],reminders)
end

local due=a[25]
if consumed<tail and (not due or tonumber(due)>tonumber(a[26])) then due=a[26] end
local keep=a[27] and not terminal
if keep and not due and (a[9]>head or m[10]~='1') then due=a[26] end
if due then
  call('ZADD',reminders,due,'w|'..id..'|'..m[1]..'|0|-|-')
  if m[10]~='1' then set[n+1],set[n+2],n='wake','1',n+2 end
elseif m[10]=='1' and not keep then
  call('ZREM',reminders,'w|'..id..'|'..m[1]..'|0|-|-')
  set[n+1],set[n+2],n='wake','0',n+2
end
if recustom and custom then
  call('SET',i..'customStatus',custom)
elseif recustom then
  call('UNLINK',i..'customStatus')
end
if index then
  index_remove(t,id,was,index[1])
  index_add(t,id,a[22],index[3],a[32] or a[8],index[2])
end
if was~=a[22] then
  call('HINCRBY',t..'counts',was,-1)
  call('HINCRBY',t..'counts',a[22],1)
  set[n+1],set[n+2],n='status',a[22],n+2
end
if a[21] then call('HDEL',meta,unpack(a[21])) end
local turn=tonumber(m[4])+1
if turn==1 then set[n+1],set[n+2],n='started_ms',a[30] or a[8],n+2 end
call('HSET',meta,'last',a[7],'turn',format('%d',turn),'updated_ms',a[31] or a[8],unpack(set))
if what~=0 then
  local gen=carry and format('%d',tonumber(m[2])+1) or m[2]
  change_add(t,a[28],a[8],what,a[22],gen,format('%d',turn),m[1],id,name,recustom and custom,a[29])
end
return {'OK',consumed,tail}
