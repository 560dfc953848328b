#!lua flags=no-writes
-- 1 after, 2 max, 3 keep
local t=KEYS[1]
local a=cmsgpack.unpack(ARGV[1])
local key=t..'changes'
local newest=redis.call('XREVRANGE',key,'+','-','COUNT',1)[1]
if not newest then return {'OK',1,0,{}} end
local function number(id) return tonumber(string.match(id,'^0%-(%d+)$')) end
local last=number(newest[1])
if not last then return {'CORRUPT',key} end
-- Without a gap between its entries.
local first=last-math.min(redis.call('XLEN',key),a[3])+1
local after=tonumber(a[1])
local rows={}
if after<last and first<=last and a[2]>0 then
  local from=math.max(after+1,first)
  for _,entry in ipairs(redis.call('XRANGE',key,string.format('0-%.0f',from),'+','COUNT',a[2])) do
    local f={}
    for k=1,#entry[2],2 do f[entry[2][k]]=entry[2][k+1] end
    rows[#rows+1]={string.match(entry[1],'%d+$'),f.at,f.what,f.status,f.gen,f.turn,f.inc,
      f.id,f.name or false,f.custom or false}
  end
end
return {'OK',first,last,rows}
