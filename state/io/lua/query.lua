#!lua flags=no-writes
--@include fields.lua
--@include index.lua
-- 1 order (0 created, 1 completed, 2 id), 2 count only, 3 statuses as text in a list,
-- 4 name or nil, 5 prefix or nil, 6 tags or nil, 7 created from, 8 created to or nil,
-- 9 completed from, 10 completed to or nil, 11 ended ones only, 12 updated from,
-- 13 updated to or nil, 14 before or nil, 15 before instance or nil, 16 limit, 17 scan max,
-- 18 counted by the index, 19 every status and no facet
local call=redis.call
local a=cmsgpack.unpack(ARGV[1])
local t=KEYS[1]
local order,limit=a[1],a[16]
local tags=a[6] and cmsgpack.unpack(a[6])
local from,to=a[7],a[8]
if order==1 then from,to=a[9],a[10] end

-- As long as the index is being built, only the oldest of them can be relied on.
local indexed=call('ZCARD',t..'ids')>=call('ZCARD',t..'instances')
if not indexed and (order~=0 or a[18]) then return {'BUSY'} end

-- The index, narrowed down: keys of sorted sets, one per status.
local facet='all'
if tags then facet='tag:'..plain(tags[1]..'='..tags[2])
elseif a[4] then facet='name:'..plain(a[4]) end
local sets={}
if order==0 and (a[19] or not indexed) then
  sets[1]=t..'instances'
elseif order~=2 then
  for k=1,#a[3] do
    sets[k]=t..(order==0 and 'created||' or 'completed||')..a[3][k]..'||'..facet
  end
end

if a[18] then
  local counts={}
  for k=1,#a[3] do
    local key=t..(order==0 and 'created||' or 'completed||')..a[3][k]..'||'..facet
    counts[2*k-1],counts[2*k]=a[3][k],call('ZCOUNT',key,from,to and '('..to or '+inf')
  end
  return {'OK',{},false,false,false,counts}
end

-- x < y as bytes. Lua's own comparison follows the server's locale.
local function less(x,y)
  for k=1,math.min(#x,#y) do
    local p,q=string.byte(x,k),string.byte(y,k)
    if p~=q then return p<q end
  end
  return #x<#y
end

local wanted={}
for k=1,#a[3] do wanted[a[3][k]]=true end
local function within(s,low,high)
  local n=tonumber(s or '0')
  return n>=tonumber(low) and (not high or n<tonumber(high))
end
local function matches(id,m)
  if not wanted[m[9]] then return false end
  if a[11] and not has_ended(m[9]) then return false end
  if a[5] and string.sub(id,1,#a[5])~=a[5] then return false end
  if a[4] and m[15]~=a[4] then return false end
  if not within(m[10],a[7],a[8]) or not within(m[13],a[12],a[13]) then return false end
  if a[11] and not within(m[14],a[9],a[10]) then return false end
  if not tags then return true end
  local have={}
  local own=m[19] and cmsgpack.unpack(m[19]) or {}
  for k=1,#own,2 do have[own[k]]=own[k+1] end
  for k=1,#tags,2 do if have[tags[k]]~=tags[k+1] then return false end end
  return true
end

-- Pages are as long as what is wanted, because most lists look at nothing else.
local page_size=math.max(2,math.min(100,(a[2] and 100 or limit)+1))
local before=a[14] and tonumber(a[14])

-- One set, from the highest key down: {id, key as text} or nil at the end.
local function open_set(key)
  local s={key=key,at=0,page={},k=1}
  if to then s.at=call('ZCOUNT',key,to,'+inf') end
  if before then s.at=math.max(s.at,call('ZCOUNT',key,'('..a[14],'+inf')) end
  function s.advance()
    repeat
      s.k=s.k+2
      if s.k>#s.page then
        s.page=call('ZREVRANGE',key,s.at,s.at+page_size-1,'WITHSCORES')
        s.at,s.k=s.at+page_size,1
      end
      s.id,s.text=s.page[s.k],s.page[s.k+1]
      if not s.id then return end
      s.ms=tonumber(s.text)
      if s.ms<tonumber(from) then s.id=nil return end
    until not (before and s.ms==before and not less(s.id,a[15]))
  end
  s.k=1
  s.advance()
  return s
end

-- By id: the members of `ids` all have the score 0.
local function open_ids()
  local s={page={},k=0,text='0',ms=0}
  local max='('..(a[5] or '')..'\255'
  if a[15] and less(a[15],(a[5] or '')..'\255') then max='('..a[15] end
  local min=a[5] and '['..a[5] or '-'
  function s.advance()
    s.k=s.k+1
    if s.k>#s.page then
      s.page=call('ZREVRANGEBYLEX',t..'ids',max,min,'LIMIT',0,page_size)
      s.k=1
      max='('..(s.page[#s.page] or '')
    end
    s.id=s.page[s.k]
  end
  s.advance()
  return s
end

local sources={}
if order==2 then sources[1]=open_ids() end
for k=1,#sets do sources[#sources+1]=open_set(sets[k]) end

local function first()
  local best
  for k=1,#sources do
    local s=sources[k]
    if s.id and (not best or s.ms>best.ms or s.ms==best.ms and less(best.id,s.id)) then best=s end
  end
  return best
end

local found,scanned,more,last,last_at={},0,false,false,false
local counts={}
while true do
  local s=first()
  if not s then break end
  if (not a[2] and #found>=limit) or scanned>=a[17] then more=last and 1 break end
  local id=s.id
  scanned=scanned+1
  last,last_at=id,s.text
  local m=call('HMGET',t..id..'||metadata',unpack(fields))
  if not m[1] then return {'CORRUPT',t..id..'||metadata'} end
  if matches(id,m) then
    if a[2] then counts[m[9]]=(counts[m[9]] or 0)+1
    else found[#found+1]={id,m,call('GET',t..id..'||customStatus')} end
  end
  s.advance()
end
local flat={}
for status,n in pairs(counts) do flat[#flat+1]=status flat[#flat+1]=n end
return {'OK',found,more,last_at,last,flat}
