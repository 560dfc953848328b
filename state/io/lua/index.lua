-- The index of queries: an instance is in created||<status>||<facet> by created time and,
-- when it has ended, in completed||<status>||<facet> by completed time, for each of its
-- facets: all, its name, each of its tags. In `ids` it is by its id.
local function plain(s) return (string.gsub(s,'[%%|]',{['%']='%25',['|']='%7C'})) end
local function facets(name,tags)
  local f={'all'}
  if name then f[2]='name:'..plain(name) end
  local ok,list=pcall(cmsgpack.unpack,tags or '\144') -- (an empty list)
  if ok and type(list)=='table' then
    for k=1,#list-1,2 do f[#f+1]='tag:'..plain(list[k]..'='..list[k+1]) end
  end
  return f
end
local function has_ended(s) return s=='1' or s=='3' or s=='4' or s=='5' end
local function index_add(t,id,status,created,completed,f)
  for k=1,#f do
    redis.call('ZADD',t..'created||'..status..'||'..f[k],created,id)
    if has_ended(status) then
      redis.call('ZADD',t..'completed||'..status..'||'..f[k],completed,id)
    end
  end
end
local function index_remove(t,id,status,f)
  for k=1,#f do
    redis.call('ZREM',t..'created||'..status..'||'..f[k],id)
    if has_ended(status) then redis.call('ZREM',t..'completed||'..status..'||'..f[k],id) end
  end
end
