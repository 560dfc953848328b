#!lua flags=no-writes,allow-cross-slot-keys
--@include fields.lua
--@include readable.lua
-- 1 what, 2 instance or nil, 3 history from, 4 inbox from, 5 cursor, 6 limit, 7 bytes
-- (Other slots: only keys that SCAN found on this server and their neighbours.)
local a=cmsgpack.unpack(ARGV[1])
local t=KEYS[1]
local call,format,sub=redis.call,string.format,string.sub
local what,limit=a[1],a[6]

local function ended(s) return s=='1' or s=='3' or s=='4' or s=='5' end

-- Numbers: enum pawl_reminder_target.
local function target(member)
  local kind=sub(member,1,1)
  if kind=='o' then return call('HEXISTS',t..'outbox',sub(member,3))==1 and 1 or 8 end
  local id,inc,gen,op,nonce=string.match(member,'^.|(.+)|(%x+)|(%d+)|([^|]+)|([^|]+)$')
  local m=call('HMGET',t..id..'||metadata','inc','gen','status')
  if not m[1] then return 2 end
  if m[1]~=inc then return 3 end
  if ended(m[3]) then return 4 end
  if kind=='w' then return 1 end
  if m[2]~=gen then return 5 end
  local p=call('HGET',t..id..'||pending',op)
  if not p or sub(p,3,18)~=nonce then return 6 end
  return sub(p,1,1)=='2' and 7 or 1
end

-- Rows by name up to the one that reaches the size; false for one that is not there.
local function rows(name,from,to)
  local found,size,to={},0,math.min(to,from+limit)
  while from<to and size<a[7] do
    local keys={}
    for n=from,math.min(from+63,to-1) do keys[#keys+1]=format(name,n) end
    local page=call('MGET',unpack(keys))
    for k=1,#keys do
      found[#found+1]=page[k] or false
      size=size+#(page[k] or '')
      if size>=a[7] then break end
    end
    from=from+64
  end
  return found
end

-- A key name as a pattern of string.format.
local function plain(s) return (string.gsub(s,'%%','%%%%')) end

local function next_page(page) return page[1]~='0' and page[1] end

if what==1 then -- the partition
  local n=call('ZCARD',t..'instances')
  local tally=false
  if n<=4096 then
    local by,from={},0
    repeat
      local ids=call('ZRANGE',t..'instances',from,from+499)
      for k=1,#ids do
        local s=call('HGET',t..ids[k]..'||metadata','status')
        if s then by[s]=(by[s] or 0)+1 end
      end
      from=from+500
    until #ids<500
    tally={}
    for s,count in pairs(by) do tally[#tally+1]=s tally[#tally+1]=count end
  end
  local first=call('ZRANGE',t..'reminders',0,0,'WITHSCORES')
  return {'OK',what,call('HMGET',t..'owner','epoch','owner','table_version','since'),
    call('HGETALL',t..'counts'),tally,n,call('ZCARD',t..'reminders'),call('HLEN',t..'outbox'),
    call('ZCARD',t..'quarantine'),string.match(first[2] or '0','^-?%d+$') or '0'}
end
if what==2 then -- ids in the index
  local page=call('ZSCAN',t..'instances',a[5],'COUNT',limit)
  local ids={}
  for k=1,#page[2],2 do ids[#ids+1]=page[2][k] end
  return {'OK',what,next_page(page),ids}
end
if what==3 then -- one instance
  local i=t..a[2]..'||'
  local at=call('ZSCORE',t..'instances',a[2])
  if call('EXISTS',i..'metadata')==0 then return {'OK',what,at} end
  local m=call('HMGET',i..'metadata',unpack(fields))
  local count,head,tail=tonumber(m[5] or ''),tonumber(m[7] or ''),tonumber(m[8] or '')
  local gen=tonumber(m[2] or '')
  if not (m[1] and gen and count and head and tail) then return {'OK',what,at,m} end
  local pending=call('HGETALL',i..'pending')
  local remembered={}
  for k=1,#pending,2 do
    local member=sub(pending[k],1,1)..'|'..a[2]..'|'..m[1]..'|'..m[2]..'|'..pending[k]..'|'
      ..sub(pending[k+1],3,18)
    remembered[#remembered+1]=call('ZSCORE',t..'reminders',member) and 1 or 0
  end
  local history=plain(i..m[2])..'||history-%06d'
  local inbox=plain(i)..'inbox-%06d'
  local strays=call('EXISTS',format(history,count),format(history,count+1),
    format(plain(i..format('%d',gen-1))..'||history-%06d',0),format(inbox,tail),
    format(inbox,tail+1))
  if head>0 then strays=strays+call('EXISTS',format(inbox,head-1)) end
  return {'OK',what,at,m,call('GET',i..'customStatus'),
    call('ZSCORE',t..'reminders','w|'..a[2]..'|'..m[1]..'|0|-|-'),call('ZCARD',i..'seen'),
    pending,remembered,a[3],rows(history,a[3],count),math.max(a[4],head),
    rows(inbox,math.max(a[4],head),tail),strays}
end
if what==4 or what==6 then -- reminders, and those moved aside
  local page=call('ZSCAN',t..(what==4 and 'reminders' or 'quarantine'),a[5],'COUNT',limit)
  local found={}
  for k=1,#page[2],2 do
    local member,due=page[2][k],page[2][k+1]
    found[#found+1]=member
    found[#found+1]=due
    found[#found+1]=readable(member,due) and target(member) or 0
  end
  return {'OK',what,next_page(page),found}
end
if what==5 then -- the outbox
  local page=call('HSCAN',t..'outbox',a[5],'COUNT',limit)
  local found={}
  for k=1,#page[2],2 do
    found[#found+1]=page[2][k]
    found[#found+1]=page[2][k+1]
    found[#found+1]=call('ZSCORE',t..'reminders','o|'..page[2][k])
  end
  return {'OK',what,next_page(page),found}
end
-- Rows of instances that are not there, in all partitions: {namespace||app||…
-- An error: that slot is on its way to another server, its rows are torn apart for now.
local function missing(command,...)
  local found=redis.pcall(command,...)
  return found==0 or found==false
end
local ok,info=pcall(redis.call,'INFO','server')
local server=ok and type(info)=='string' and string.match(info,'run_id:(%x+)')
local page=call('SCAN',a[5],'MATCH',string.match(t,'^({.*||)%d+}||$')..'*','COUNT',limit)
local found={}
for _,key in ipairs(page[2]) do
  local head=string.match(key,'^({[^}]*}||.+||)inbox%-%d+$')
    or string.match(key,'^({[^}]*}||.+||)%d+||history%-%d+$')
    or string.match(key,'^({[^}]*}||.+||)pending$')
    or string.match(key,'^({[^}]*}||.+||)seen$')
    or string.match(key,'^({[^}]*}||.+||)customStatus$')
  if head and missing('EXISTS',head..'metadata') then found[#found+1]=key end
  local at,id=string.match(key,'^({[^}]*}||)(.+)||metadata$')
  if at and missing('ZSCORE',at..'instances',id) then found[#found+1]=key end
end
return {'OK',what,next_page(page),found,server or ''}
