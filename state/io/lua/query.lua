#!lua flags=no-writes
--@include fields.lua
-- 1 status mask (0: all), 2 name or nil, 3 prefix or nil, 4 created from, 5 created to or
-- nil, 6 before created or nil, 7 before instance, 8 limit, 9 scan max
local a=cmsgpack.unpack(ARGV[1])
local t=KEYS[1]

-- x < y as bytes. Lua's own comparison follows the server's locale.
local function less(x,y)
  for k=1,math.min(#x,#y) do
    local p,q=string.byte(x,k),string.byte(y,k)
    if p~=q then return p<q end
  end
  return #x<#y
end

local function matches(id,m)
  if a[3] and string.sub(id,1,#a[3])~=a[3] then return false end
  if a[2] and m[15]~=a[2] then return false end
  return a[1]==0 or bit.band(a[1],bit.lshift(1,tonumber(m[9])))~=0
end

local from=0
if a[5] then from=redis.call('ZCOUNT',t..'instances',a[5],'+inf') end
if a[6] then from=math.max(from,redis.call('ZCOUNT',t..'instances','('..a[6],'+inf')) end
local oldest,before=tonumber(a[4]),tonumber(a[6])
local found,scanned,more,last,last_at={},0,0,false,false
local done=false
repeat
  local page=redis.call('ZREVRANGE',t..'instances',from,from+99,'WITHSCORES')
  for k=1,#page,2 do
    local id,at=page[k],tonumber(page[k+1])
    if at<oldest then done=true break end
    if not (before and at==before and not less(id,a[7])) then
      if #found>=a[8] or scanned>=a[9] then more=last and 1 done=true break end
      scanned=scanned+1
      last,last_at=id,page[k+1]
      local m=redis.call('HMGET',t..id..'||metadata',unpack(fields))
      if not m[1] then return {'CORRUPT',t..id..'||metadata'} end
      if matches(id,m) then
        found[#found+1]={id,m,redis.call('GET',t..id..'||customStatus')}
      end
    end
  end
  from=from+100
until done or #page==0
return {'OK',found,more,last_at,last}
